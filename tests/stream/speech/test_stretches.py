"""A file's sound is cut as live sound whose words are known at once, wherever its chunks and its packs end."""

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from test_segmenter import chunked, ends, loudness, pushed, sound

from stream.media import Samples
from stream.speech.segmenter import Segment, Segmenter, UtteranceEnd
from stream.speech.stretches import FileCutter, StretchFinder
from stream.speech.transcript import Word
from wire.settings import SegmenterSettings

SETTINGS = SegmenterSettings(max_utterance_ms=4_000)
TALK = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.8]), st.integers(1, 3_000)), max_size=12)
SIZES = st.lists(st.integers(1, 40_000), max_size=20)


def heard(samples: Samples, sizes: Sequence[int], words: Iterable[Word] = ()) -> list[UtteranceEnd]:
    """Cut sound of which all words are known beforehand."""
    finder = StretchFinder(SETTINGS, loudness)
    cutter = FileCutter(SETTINGS, finder.probabilities)
    cutter.know(words)
    ended = []
    for chunk in chunked(samples, sizes):
        finder.push(chunk)
        for kept in finder.take(finder.settled_ms):
            ended += cutter.push(kept)
    finder.finish()
    for kept in finder.take(float("inf")):
        ended += cutter.push(kept)
    return ended + cutter.finish()


def extents(segments: Iterable[Segment]) -> list[tuple[float, float, bytes]]:
    return [(each.start_ms, each.end_ms, each.samples.tobytes()) for each in segments]


@settings(deadline=None, max_examples=50)
@given(TALK, SIZES)
def test_without_words_the_cuts_are_those_of_the_segmenter(talk: list[tuple[float, float]], sizes: list[int]) -> None:
    samples = sound(*talk)
    segmenter = Segmenter(SETTINGS, loudness)
    live = ends([*pushed(segmenter, chunked(samples, [])), *segmenter.finish()])
    assert extents(end.segment for end in heard(samples, sizes)) == extents(live)


@settings(deadline=None, max_examples=50)
@given(TALK, SIZES)
def test_every_stretch_is_found_before_its_sound_may_be_cut(talk: list[tuple[float, float]], sizes: list[int]) -> None:
    finder = StretchFinder(SETTINGS, loudness)
    settled_ms = 0.0
    for chunk in chunked(sound(*talk), sizes):
        before_ms = settled_ms
        found = finder.push(chunk)
        assert all(stretch.start_ms >= before_ms for stretch in found)
        settled_ms = finder.settled_ms
        assert before_ms <= settled_ms <= finder.now_ms
    assert all(stretch.start_ms >= settled_ms for stretch in finder.finish())


@settings(deadline=None, max_examples=50)
@given(TALK, SIZES, st.lists(st.tuples(st.integers(0, 900), st.integers(1, 500), st.sampled_from(["a", "B.", "C?"]))))
def test_no_word_is_told_twice_and_each_lies_within_its_utterance(
    talk: list[tuple[float, float]], sizes: list[int], spoken: list[tuple[int, int, str]]
) -> None:
    words, at_ms = [], 0.0
    for number, (pause_ms, length_ms, text) in enumerate(spoken):
        words.append(Word(f"W{number}{text}", at_ms + pause_ms, at_ms + pause_ms + length_ms, 0.9))
        at_ms = words[-1].end_ms
    ended = heard(sound(*talk), sizes, words)
    told = [word.text for end in ended for word in end.words or ()]
    assert told == [word.text for word in words][: len(told)]
    for end in ended:
        assert all(word.start_ms >= end.segment.start_ms for word in end.words or ())


def test_two_sentences_without_a_pause_are_cut_apart() -> None:
    samples = sound((0.8, 4_000.0 - 200), (0.0, 1_000.0))
    texts = ["I", "am", "here.", "So", "are", "you."]
    words = [Word(text, 500.0 * number, 500.0 * number + 400, 0.9) for number, text in enumerate(texts)]
    said = [(end.reason, [word.text for word in end.words or ()]) for end in heard(samples, [1_600] * 60, words)]
    assert said == [("sentence", texts[:3]), ("silence", texts[3:])]
