"""What benchmarks/peers.py makes of transcripts and events: when the words of a turn came."""

from pathlib import Path

import pytest
from peer_servers import shown
from transcript_clock import Shown, Turn, delays, read_turns

from tests.exported_dialog import emotion
from wire.events import TranscriptPartial, UtteranceDiscarded

TURNS = [Turn(1000, ["Hello?"]), Turn(3000, ["Oh,", "hello."]), Turn(6000, ["I", "did", "not", "know."])]


def words(text: str) -> list[str]:
    return text.split()


def test_a_turn_has_come_when_the_transcript_is_as_long_as_at_its_last_word() -> None:
    told = [
        Shown(1500, [], words("Hello.")),
        Shown(3400, words("Hello."), words("Hello. Oh, hello.")),
        Shown(6300, words("Hello. Oh, hello."), words("Hello. Oh, hello. I didn't know")),
        Shown(7000, words("Hello. Oh, hello. I didn't know."), words("Hello. Oh, hello. I didn't know.")),
    ]
    found = delays(TURNS, told)
    assert (found.shown_ms, found.final_ms, found.turns) == (400, 2400, 3)


def test_a_turn_that_was_not_understood_does_not_count() -> None:
    told = [Shown(3400, words("Hello. Nonsense."), words("Hello. Nonsense."))]
    assert delays(TURNS, told).turns == 1


def test_a_transcript_with_nothing_of_what_was_said_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing that was said"):
        delays(TURNS, [Shown(1000, [], words("Hello."))])


def test_turns_of_an_stm_file(tmp_path: Path) -> None:
    path = tmp_path / "talk.stm"
    path.write_text("sample 1 Diane 6.68 7.16 Hello?\n\nsample 1 Sheila 7.634 8.155 Oh, hello.\n", encoding="utf-8")
    assert read_turns(path) == [Turn(7160, ["Hello?"]), Turn(8155, ["Oh,", "hello."])]


def test_words_of_a_page_are_final_with_their_emotion_in_the_order_they_were_said() -> None:
    partial = TranscriptPartial(utterance=1, speaker="Ana", start_ms=2000, text="I did")
    told = shown(
        [
            (1.0, partial),
            (2.0, emotion(0, 500, text="Hello.")),
            (3.0, UtteranceDiscarded(utterance=1, reason="short")),
        ]
    )
    assert told == [
        Shown(1.0, [], ["I", "did"]),
        Shown(2.0, ["Hello."], ["Hello.", "I", "did"]),
        Shown(3.0, ["Hello."], ["Hello."]),
    ]
