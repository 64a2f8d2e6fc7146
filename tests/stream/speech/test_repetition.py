import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.speech.repetition import RepetitionGuard, without_loops
from stream.speech.transcript import Transcript, Word


def said(*words: tuple[str, float]) -> tuple[Word, ...]:
    """Return words with their starts; each ends where it starts, as those of a loop often do."""
    return tuple(Word(text, start, start, 0.6) for text, start in words)


def texts(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def test_repetitions_without_time_of_their_own_are_left_out() -> None:
    """As heard in a telephone talk that begins with three hellos."""
    starts = (6_840, 7_680, 8_360, 8_440, 8_800, 8_820)
    words = said(*(("Hello?", start) for start in starts), ("I", 8_980), ("didn't", 8_990), ("know", 9_200))
    assert texts(without_loops(words, 9_400)) == "Hello? Hello? Hello? I didn't know"


def test_phrases_in_a_loop_are_left_out_as_well() -> None:
    words = said(*((text, 100.0 * at) for at, text in enumerate(["Oh", "well"])), ("oh", 1_500), ("well", 1_700))
    looped = words + said(*((text, 1_900 + 10 * at) for at, text in enumerate(["Oh", "well."] * 4)))
    assert texts(without_loops(looped, 2_000)) == "Oh well oh well"


def test_a_loop_over_nothing_is_what_was_said_once() -> None:
    assert texts(without_loops(said(*[("Hello.", 500.0)] * 9), 510.0)) == "Hello."


@pytest.mark.parametrize("spacing_ms", [150, 400])
def test_people_do_say_no_no_no(spacing_ms: float) -> None:
    words = said(*(("no", spacing_ms * number) for number in range(8)))
    assert without_loops(words, spacing_ms * 8) == words


def test_twice_is_no_loop() -> None:
    words = said(("Hello?", 0), ("Hello?", 10), ("you", 20))
    assert without_loops(words, 300) == words


@given(st.lists(st.sampled_from(["a", "b", "no", "..."]), max_size=20), st.data())
def test_nothing_is_added_or_moved_and_each_word_stays_somewhere(spoken: list[str], data: st.DataObject) -> None:
    times = sorted(data.draw(st.lists(st.floats(0, 5_000), min_size=len(spoken), max_size=len(spoken))))
    words = said(*zip(spoken, times, strict=True))
    kept = without_loops(words, 5_000.0)
    rest = iter(words)
    assert all(word in rest for word in kept)
    assert set(spoken) == {word.text for word in kept}


def utterance(text: str, probability: float) -> Transcript:
    words = tuple(Word(word, 0.0, 300.0, probability) for word in text.split())
    return Transcript(text, words, "en")


def test_unsure_words_of_utterance_after_utterance_are_a_refrain() -> None:
    refrain = RepetitionGuard()
    for text in ("Hello.", "hello?"):
        assert not refrain.holds(utterance(text, 0.5))
        refrain.keep(text)
    assert refrain.holds(utterance("Hello!", 0.5))
    assert not refrain.holds(utterance("Hello!", 0.95)), "somebody calls again and again"
    assert not refrain.holds(utterance("Who is there?", 0.5))


def test_longer_utterances_and_those_without_words_are_no_refrain() -> None:
    refrain = RepetitionGuard()
    for text in ("", "", "where did you put the", "where did you put the"):
        assert not refrain.holds(utterance(text, 0.5))
        refrain.keep(text)
    assert not refrain.holds(utterance("where did you put the", 0.5))
