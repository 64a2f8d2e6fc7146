import pytest

from stream.speech.sentences import complete_sentences, ends_sentence, in_order
from stream.speech.transcript import Word


def words(text: str, each_ms: float = 300.0) -> list[Word]:
    return [Word(w, i * each_ms, (i + 1) * each_ms, 1.0) for i, w in enumerate(text.split())]


def cut(text: str, lookahead: int = 2, each_ms: float = 300.0) -> list[str]:
    said = words(text, each_ms)
    found = complete_sentences(said, min_ms=600, lookahead=lookahead)
    return [" ".join(word.text for word in said[first : last + 1]) for first, last in found]


def test_a_sentence_counts_once_the_next_has_begun() -> None:
    assert cut("This is Diane.") == []
    assert cut("This is Diane. And") == []
    assert cut("This is Diane. And I'm") == ["This is Diane."]


def test_every_complete_sentence_is_found() -> None:
    assert cut("Is that so? I had no idea! Well then. Let us") == ["Is that so?", "I had no idea!", "Well then."]


def test_a_fragment_stays_with_the_next_sentence() -> None:
    assert cut("Oh. I did not know that. But now") == ["Oh. I did not know that."]
    assert cut("Oh. I did not know that. But now", each_ms=700) == ["Oh.", "I did not know that."]


@pytest.mark.parametrize("word", ["Mr.", "mrs.", "Dr.", "U.S.", "J.", "e.g.", "well...", "so,", "yes", "", ".."])
def test_what_ends_no_sentence(word: str) -> None:
    assert not ends_sentence(word, "Smith")


@pytest.mark.parametrize("word", ["yes.", "Yes?", "no!", 'there."', "here.)", "42.", "ist。", "I."])
def test_what_ends_a_sentence(word: str) -> None:
    assert ends_sentence(word, "And")


def test_a_point_before_small_letters_ends_nothing() -> None:
    assert not ends_sentence("approx.", "ten")
    assert not ends_sentence("there.", "and")


def test_order_of_times() -> None:
    assert in_order(words("one two three"))
    assert in_order([])
    assert not in_order([Word("a", 5, 4, 1.0)])
    assert not in_order([Word("a", 0, 4, 1.0), Word("b", 3, 5, 1.0)])
    assert not in_order([Word("a", 0, float("nan"), 1.0)])
    assert not in_order([Word("a", 0, float("inf"), 1.0)])
