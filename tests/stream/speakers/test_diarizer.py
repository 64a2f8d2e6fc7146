"""Who was somebody stays so; what is heard later moves what was said before; what is remembered is bounded."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from voices_of import embeddings

from stream.speakers.clustering import ClusteringRules
from stream.speakers.diarizer import Diarizer, SpeechWindow

STEP_MS = 300.0
RULES = ClusteringRules(alike=0.5, alike_narrow=0.5, evidence=0.9, most=6)


def windows(whose: list[int], start_ms: float = 0.0, seed: int = 0) -> list[SpeechWindow]:
    return [
        SpeechWindow(start_ms + place * STEP_MS, start_ms + place * STEP_MS + 1_200, vector, STEP_MS / 1000)
        for place, vector in enumerate(embeddings(whose, seed))
    ]


def heard(whose: list[int], remembered: int = 400) -> Diarizer:
    diarizer = Diarizer(RULES, 0.2, remembered)
    for window in windows(whose):
        diarizer.add(window)
    diarizer.settle()
    return diarizer


def spoken(diarizer: Diarizer, place: int) -> int | None:
    return diarizer.speaker(place * STEP_MS + 500, place * STEP_MS + 700)


def test_speakers_are_numbered_in_the_order_in_which_they_are_heard() -> None:
    diarizer = heard([4] * 5 + [2] * 5 + [4] * 5)
    assert [spoken(diarizer, place) for place in (1, 6, 12)] == [0, 1, 0]
    assert diarizer.speakers == (0, 1)


def test_turns_change_where_the_voice_does() -> None:
    turns = heard([0] * 10 + [1] * 10).turns(0.0, 7_000.0)
    assert [turn.speaker for turn in turns] == [0, 1]
    assert abs(turns[0].end_ms - (10 * STEP_MS + 450)) <= STEP_MS
    assert (turns[0].start_ms, turns[-1].end_ms) == (0.0, 7_000.0)


def test_a_window_that_seems_another_s_makes_no_turn() -> None:
    diarizer = Diarizer(RULES, 2.0, 400)
    for window in windows([0] * 10 + [1] * 10 + [0] * 4 + [1] + [0] * 4):
        diarizer.add(window)
    diarizer.settle()
    assert [turn.speaker for turn in diarizer.turns(20 * STEP_MS + 600, 30 * STEP_MS)] == [0]


def test_later_evidence_moves_what_was_said_before() -> None:
    whose = [0] * 6 + [1] * 2
    diarizer = heard(whose)
    assert spoken(diarizer, 7) == 0, "too little for somebody new"
    for window in windows([1] * 6, start_ms=len(whose) * STEP_MS, seed=1):
        diarizer.add(window)
    diarizer.settle()
    assert (spoken(diarizer, 1), spoken(diarizer, 7)) == (0, 1)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 9)), min_size=1, max_size=8))
def test_who_was_somebody_stays_so(turns: list[tuple[int, int]]) -> None:
    diarizer, place, first = Diarizer(RULES, 0.2, 400), 0, {}
    for number, (who, length) in enumerate(turns):
        for window in windows([who] * length, place * STEP_MS, seed=number):
            diarizer.add(window)
        diarizer.settle()
        place += length
        now = spoken(diarizer, place - 2)
        assert first.setdefault(who, now) == now
    assert len(set(first.values())) == len(first)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 9)), min_size=4, max_size=16), st.integers(20, 40))
def test_what_is_forgotten_still_tells_who_is_who(turns: list[tuple[int, int]], remembered: int) -> None:
    diarizer, place, first = Diarizer(RULES, 0.2, remembered), 0, {}
    for number, (who, length) in enumerate(turns):
        for window in windows([who] * length, place * STEP_MS, seed=number):
            diarizer.add(window)
        diarizer.settle()
        place += length
        assert first.setdefault(who, spoken(diarizer, place - 2)) == spoken(diarizer, place - 2)
    assert len(diarizer.speakers) == len(first)


def test_whoever_is_enrolled_is_known_from_the_first_word() -> None:
    diarizer = Diarizer(RULES, 0.2, 400)
    ann, ben = (diarizer.enrol(embeddings([who] * 3, seed=9), 0.3) for who in (2, 3))
    for window in windows([3] * 4 + [0] * 5 + [2] * 2):
        diarizer.add(window)
    diarizer.settle()
    assert (spoken(diarizer, 1), spoken(diarizer, 10)) == (ben, ann)
    assert spoken(diarizer, 6) not in {ann, ben}


def test_where_nothing_was_heard_nobody_speaks() -> None:
    diarizer = Diarizer(RULES, 0.2, 400)
    diarizer.settle()
    assert diarizer.speaker(0.0, 1_000.0) is None
    assert diarizer.turns(0.0, 1_000.0) == ()


def test_the_same_windows_give_the_same_speakers() -> None:
    generator = np.random.default_rng(3)
    whose = generator.integers(0, 4, 120).tolist()
    assert heard(whose).turns(0.0, 50_000.0) == heard(whose).turns(0.0, 50_000.0)
