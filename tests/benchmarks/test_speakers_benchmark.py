"""What benchmarks/speakers.py makes of who was told to speak: conversations put together, scores, delays."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from at_once import Told
from conversations import Conversation, in_turns, joined, taking_part
from diarization import Naming, Said, Turn, first_right_ms, read_rttm, score
from speakers import utterances

from tests.exported_dialog import emotion
from wire.events import SpeechStarted, UtteranceDiscarded

TWO = [Turn(0, 4000, "Ann"), Turn(5000, 7000, "Bob"), Turn(8000, 10_000, "Ann")]
CLIPS = {name: [f"{name}{place}" for place in range(6)] for name in ("ann", "bob", "cem", "dan")}


def conversation(seed: int) -> Conversation:
    chance = random.Random(seed)  # noqa: S311
    said = in_turns(taking_part(CLIPS, 3, chance), chance)
    sounds = ((name, np.full(1600 * (1 + int(clip[-1])), 0.5, np.float32)) for name, clip in said)
    return joined("talk", sounds, chance, length_ms=3000)


def test_a_conversation_is_the_same_each_time_and_another_with_another_seed() -> None:
    one, again, other = conversation(1), conversation(1), conversation(2)
    assert np.array_equal(one.samples, again.samples)
    assert one.turns == again.turns != other.turns


def test_people_take_turns_from_the_beginning() -> None:
    turns = conversation(1).turns
    assert len({turn.speaker for turn in turns[:3]}) == 3
    assert all(one.speaker != other.speaker for one, other in pairwise(turns))
    assert turns[-2].end_ms < 3000 <= turns[-1].end_ms


def test_turns_are_where_the_sound_is_and_pauses_are_not_long() -> None:
    found = conversation(1)
    loud = np.zeros(len(found.samples), bool)
    for turn in found.turns:
        loud[round(16 * turn.start_ms) : round(16 * turn.end_ms)] = True
    assert np.array_equal(found.samples != 0, loud)
    pauses = [other.start_ms - one.end_ms for one, other in pairwise(found.turns)]
    assert all(0 <= pause <= 800 for pause in pauses)


def test_names_do_not_count_but_who_is_who() -> None:
    told = [Turn(0, 4000, "B"), Turn(5000, 7000, "A"), Turn(8000, 10_000, "B")]
    found = score(TWO, told, 10_000)
    assert found.errors == (0, 0, 0, 0)
    assert (found.speakers, found.right, found.mapping) == (2, 1, {"A": "Bob", "B": "Ann"})


def test_what_is_another_s_is_missed_or_invented_is_an_error() -> None:
    told = [Turn(0, 3000, "A"), Turn(4500, 7000, "A"), Turn(8000, 10_000, "A")]
    found = score(TWO, told, 10_000)
    assert found.errors[3] == pytest.approx((1 + 0.5 + 2) / 8)
    assert found.errors[0] == pytest.approx((0.75 + 0.25 + 1.5) / 6.5)
    assert (found.missed, found.alarmed, found.confused) == pytest.approx((0.75 / 6.5, 0.25 / 6.5, 1.5 / 6.5))
    assert (found.right, found.right_of_told) == pytest.approx((5 / 8, 5 / 7))


def test_of_two_at_once_one_can_be_right_or_neither_counts() -> None:
    found = score([*TWO, Turn(3000, 4000, "Bob")], TWO, 10_000)
    assert (found.errors[2], found.errors[3]) == pytest.approx((0, 1 / 9))


def test_a_new_speaker_is_right_once_the_name_stays_right() -> None:
    named = (Naming(5100, "A"), Naming(6000, "B"), Naming(7000, "A"), Naming(9500, "B"))
    said = [Said(0, 4000, "A", (Naming(0, "A"),)), Said(5000, 7000, "A", named)]
    assert first_right_ms(TWO, said, {"A": "Ann", "B": "Bob"}) == {"Bob": 4500}
    assert first_right_ms(TWO, said, {"A": "Ann", "C": "Bob"}) == {"Bob": None}
    assert first_right_ms(TWO, said[:1], {"A": "Ann", "B": "Bob"}) == {"Bob": None}


def test_an_utterance_has_all_that_was_told_of_it_and_whoever_is_alone_is_a() -> None:
    told = [
        SpeechStarted(utterance=1, speaker="Speaker", start_ms=0),
        SpeechStarted(utterance=2, speaker="Speaker", start_ms=900),
        UtteranceDiscarded(utterance=2, reason="noise"),
        emotion(1, 0, speaker="Speaker"),
        emotion(1, 0, speaker="Speaker B", revision=1),
    ]
    (said,) = utterances(Told(100.0 * place, event) for place, event in enumerate(told))
    assert said.named == (Naming(0, "Speaker A"), Naming(300, "Speaker A"), Naming(400, "Speaker B"))
    assert (said.first, said.last) == (Turn(0, 1000, "Speaker A"), Turn(0, 1000, "Speaker B"))


def test_turns_of_an_rttm_file(tmp_path: Path) -> None:
    path = tmp_path / "talk.rttm"
    path.write_text("SPEAKER talk 1 6.690 0.430 <NA> <NA> Diane <NA> <NA>\n\n", encoding="utf-8")
    (turn,) = read_rttm(path)
    assert (turn.start_ms, turn.end_ms, turn.speaker) == pytest.approx((6690, 7120, "Diane"))
