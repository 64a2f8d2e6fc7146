from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_clips import ONE_SENTENCE, chords, noise, segmented, silence

from models.media.sound import read_sound
from stream.media import SAMPLES_PER_MS, AudioChunk, Samples
from stream.speech.segmenter import Discarded, Segment, Segmenter, SegmentEvent, SpeechStart, UtteranceEnd
from stream.speech.transcript import Word
from stream.speech.vad import WINDOW
from wire.settings import SegmenterSettings

SHORT = SegmenterSettings(max_utterance_ms=3_000)


def loudness(window: Samples) -> float:
    """Stand in for the detector where a test wants to say which windows are speech."""
    return float(np.abs(window).max())


def sound(*parts: tuple[float, float]) -> Samples:
    """Return runs of (level, milliseconds), every sample different from its neighbours."""
    pieces = [np.full(round(ms * SAMPLES_PER_MS), level) for level, ms in parts]
    samples = np.concatenate(pieces) if pieces else np.zeros(0)
    return (samples * (0.9 + 0.1 * np.cos(np.arange(len(samples))))).astype(np.float32)


def chunked(samples: Samples, sizes: Sequence[int], start_ms: float = 0.0) -> list[AudioChunk]:
    chunks, at = [], 0
    for size in [*sizes, len(samples)]:
        chunks.append(AudioChunk(start_ms + at / SAMPLES_PER_MS, samples[at : at + size]))
        at = min(at + size, len(samples))
    return chunks


def pushed(segmenter: Segmenter, chunks: Sequence[AudioChunk]) -> list[SegmentEvent]:
    return [event for chunk in chunks for event in segmenter.push(chunk)]


def ends(events: Sequence[SegmentEvent]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, UtteranceEnd)]


def plain(event: SegmentEvent) -> tuple[object, ...]:
    """Return an event as something that compares by value."""
    segment = getattr(event, "segment", None)
    if segment is None:
        return (event,)
    reason = getattr(event, "reason", None)
    return (
        type(event),
        segment.utterance,
        segment.start_ms,
        segment.end_ms,
        segment.samples.tobytes(),
        reason,
        getattr(event, "words", None),
    )


def word(text: str, start_ms: float, end_ms: float) -> Word:
    return Word(text, start_ms, end_ms, 1.0)


def spoken(text: str, start_ms: float, each_ms: float = 300.0) -> list[Word]:
    return [word(w, start_ms + i * each_ms, start_ms + (i + 1) * each_ms) for i, w in enumerate(text.split())]


def test_a_real_sentence_is_one_whole_utterance() -> None:
    events = segmented(read_sound(ONE_SENTENCE))
    (segment,) = ends(events)
    assert isinstance(events[0], SpeechStart)
    assert 100 < segment.start_ms < 500
    assert 2_200 < segment.end_ms < 2_700
    assert len(segment.samples) == round((segment.end_ms - segment.start_ms) * SAMPLES_PER_MS)


@pytest.mark.parametrize("other", [silence(5), noise(5, 0.001), noise(5, 0.1), chords(10)])
def test_other_sound_is_no_utterance(other: Samples) -> None:
    assert segmented(other) == []


def test_a_segment_is_the_sound_of_its_time() -> None:
    samples = sound((0, 1_000), (0.9, 1_000), (0, 1_000))
    segmenter = Segmenter(SegmenterSettings(), loudness)
    (segment,) = ends(segmenter.push(AudioChunk(5_000, samples)))
    first = round((segment.start_ms - 5_000) * SAMPLES_PER_MS)
    assert np.array_equal(segment.samples, samples[first : first + len(segment.samples)])


def test_of_a_long_utterance_the_last_part_can_be_had_and_its_words_cut_it() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 9_000))))
    whole, last = segmenter.open_segment(), segmenter.open_segment(5_000)
    assert whole is not None
    assert last is not None
    assert (whole.start_ms, last.utterance, last.end_ms) == (0, whole.utterance, whole.end_ms)
    assert last.end_ms - last.start_ms == 5_000
    np.testing.assert_array_equal(last.samples, whole.samples[-len(last.samples) :])
    first, second = (
        [Word(text, at, at + 300, 0.9) for text, at in zip(texts, range(start, start + 1_200, 400), strict=True)]
        for texts, start in ((("so", "it", "is."), 4_500), (("And", "so", "on."), 5_700))
    )
    rest = [Word("What", 7_000, 7_300, 0.9), Word("else?", 7_400, 7_700, 0.9)]
    cut = [event for event in segmenter.words([*first, *second, *rest], whole=False) if isinstance(event, UtteranceEnd)]
    assert [event.words for event in cut] == [None, tuple(second)], "the first has words that are not among these"
    assert cut[0].segment.start_ms == 0


def test_the_open_segment_is_there_while_somebody_speaks() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0, 960))))
    assert segmenter.open_segment() is None
    segmenter.push(AudioChunk(960, sound((0.9, 960))))
    opened = segmenter.open_segment()
    assert opened is not None
    assert (opened.utterance, opened.end_ms) == (0, 1_920)
    segmenter.finish()
    assert segmenter.open_segment() is None


def test_an_utterance_is_cut_where_a_sentence_has_ended() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 1_480), (0.5, 40), (0.9, 1_480))))
    words = spoken("this is the first sentence. And the next one is", 0)
    end, start = segmenter.words(words)
    assert isinstance(end, UtteranceEnd)
    assert isinstance(start, SpeechStart)
    assert (end.reason, end.words) == ("sentence", tuple(words[:5]))
    assert end.segment.end_ms == start.start_ms
    assert 1_470 <= start.start_ms <= 1_530  # the quietest place near 1500 ms
    opened = segmenter.open_segment()
    assert opened is not None
    assert (opened.utterance, opened.start_ms) == (1, start.start_ms)


def test_several_sentences_are_cut_at_once() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 5_000))))
    words = spoken("one two three. Four five six. Seven eight nine ten", 0)
    events = segmenter.words(words)
    assert [e.words for e in events if isinstance(e, UtteranceEnd)] == [tuple(words[:3]), tuple(words[3:6])]


def test_words_of_an_utterance_that_was_cut_since_change_nothing() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 4_000))))
    words = spoken("one two three. Four five six. Seven eight nine ten", 0)
    assert segmenter.words(words)
    assert segmenter.words(words) == []


def test_words_of_an_utterance_that_has_ended_since_change_nothing() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    words = spoken("one two three. Four five six seven", 0)
    segmenter.push(AudioChunk(0, sound((0.9, 3_000), (0, 1_000))))
    assert segmenter.words(words) == []
    segmenter.push(AudioChunk(4_000, sound((0.9, 3_000))))
    assert segmenter.words(words) == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        [word("a.", float("nan"), 1_000), word("B", 1_000, 1_200), word("c", 1_200, 1_400)],
        [word("a.", 1_500, 900), word("B", 1_000, 1_200), word("c", 1_200, 1_400)],
        [word("a.", 0, 1e12), word("B", 1e12, 1e13), word("c", 1e13, float("inf"))],
    ],
)
def test_words_in_disorder_change_nothing(words: list[Word]) -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 3_000))))
    assert segmenter.words(words) == []


def test_missing_sound_counts_as_silence() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 960))))
    events = segmenter.push(AudioChunk(2_960, sound((0.9, 960))))
    (first,) = ends(events)
    (second,) = ends(segmenter.finish())
    assert first.end_ms == 960 + SegmenterSettings().post_roll_ms
    assert second.start_ms == pytest.approx(2_960 - SegmenterSettings().pre_roll_ms, abs=32)
    assert second.end_ms == 3_920


def test_an_hour_missing_costs_nothing_and_keeps_the_time() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(0, sound((0.9, 960))))
    segmenter.push(AudioChunk(3_600_000, sound((0.9, 960))))
    (second,) = ends(segmenter.finish())
    assert second.end_ms == pytest.approx(3_600_960)
    assert len(second.samples) < 2 * 16_000


def test_jitter_of_the_times_changes_nothing() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    for index in range(10):
        segmenter.push(AudioChunk(100 * index + (-1) ** index * 40, sound((0.9, 100))))
    (segment,) = ends(segmenter.finish())
    assert len(segment.samples) == 16_000


def test_time_that_jumps_back_loses_nothing_and_never_runs_backwards() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    segmenter.push(AudioChunk(10_000, sound((0.9, 960))))
    events = segmenter.push(AudioChunk(0, sound((0.9, 960), (0, 960))))
    events += segmenter.push(AudioChunk(1_920 + 2_000, sound((0.9, 960))))  # a gap still shows after the jump
    events += segmenter.finish()
    first, second = ends(events)
    assert first.start_ms == 10_000
    assert first.end_ms == 10_000 + 1_920 + SegmenterSettings().post_roll_ms
    assert second.end_ms == 10_000 + 960 + 1_920 + 2_000 + 960


def test_speech_too_short_is_discarded() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    events = segmenter.push(AudioChunk(0, sound((0, 960), (0.9, 128), (0, 960))))
    assert isinstance(events[-1], Discarded)


def test_the_rest_that_fills_no_window_is_not_lost() -> None:
    segmenter = Segmenter(SegmenterSettings(), loudness)
    samples = sound((0.9, 1_000.5))
    segmenter.push(AudioChunk(0, samples))
    (segment,) = ends(segmenter.finish())
    assert np.array_equal(segment.samples, samples)


def test_memory_stays_bounded() -> None:
    segmenter = Segmenter(SHORT, loudness)
    for index in range(600):
        segmenter.push(AudioChunk(index * 100, sound((0.9 if index % 300 > 100 else 0.0, 100))))
    assert segmenter._buffer.end - segmenter._buffer.start < 4 * 16_000


parts = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.55, 0.9]), st.integers(1, 1_500)), max_size=12)
splits = st.lists(st.integers(0, 9_000), max_size=60)
texts = st.sampled_from(["yes", "Yes", "no.", "what?", "Mr.", "...", "", "well,"])
some_words = st.lists(st.builds(word, texts, st.floats(-500, 20_000), st.floats(-500, 20_000)), max_size=12)
tidy_words = st.lists(texts, max_size=12).flatmap(
    lambda chosen: (
        st.lists(st.floats(0, 20_000), min_size=2 * len(chosen), max_size=2 * len(chosen))
        .map(sorted)
        .map(lambda times: [word(t, times[2 * i], times[2 * i + 1]) for i, t in enumerate(chosen)])
    )
)


@settings(deadline=None)  # timing is nothing a test should judge
@given(parts, splits)
def test_any_chunking_gives_the_same(pieces: list[tuple[float, int]], sizes: list[int]) -> None:
    samples = sound(*pieces)

    def events(chunks: Sequence[AudioChunk]) -> list[tuple[object, ...]]:
        segmenter = Segmenter(SHORT, loudness)
        return [plain(event) for event in pushed(segmenter, chunks) + segmenter.finish()]

    assert events(chunked(samples, sizes, 250.0)) == events(chunked(samples, [], 250.0))


def listened(samples: Samples, said: dict[int, list[Word]], during: Callable[[Segmenter], None]) -> list[SegmentEvent]:
    """Push window by window, with words arriving after the windows named."""
    segmenter = Segmenter(SHORT, loudness)
    events: list[SegmentEvent] = []
    for index, chunk in enumerate(chunked(samples, [WINDOW] * (len(samples) // WINDOW))):
        events += segmenter.push(chunk)
        during(segmenter)
        events += segmenter.words(said.get(index, []))
    return events + segmenter.finish()


@settings(max_examples=60, deadline=None)
@given(parts, st.dictionaries(st.integers(0, 400), some_words | tidy_words, max_size=15))
def test_words_never_break_the_order_or_lose_speech(
    pieces: list[tuple[float, int]], said: dict[int, list[Word]]
) -> None:
    samples = sound(*pieces)

    def sound_of_open(segmenter: Segmenter) -> None:
        opened = segmenter.open_segment()
        if opened is not None:
            first = round(opened.start_ms * SAMPLES_PER_MS)
            assert np.array_equal(opened.samples, samples[first : first + len(opened.samples)])

    with_words = listened(samples, said, sound_of_open)
    without = listened(samples, {}, sound_of_open)
    found = ends(with_words)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(found))
    for segment in found:
        first = round(segment.start_ms * SAMPLES_PER_MS)
        assert np.array_equal(segment.samples, samples[first : first + len(segment.samples)])
    assert lost(samples, with_words) <= lost(samples, without)


def lost(samples: Samples, events: Sequence[SegmentEvent]) -> int:
    """Return how many samples of certain speech belong to no utterance, each being in at most one."""
    owners = np.zeros(len(samples), int)
    for segment in ends(events):
        first = round(segment.start_ms * SAMPLES_PER_MS)
        owners[first : first + len(segment.samples)] += 1
    assert owners.max(initial=0) <= 1
    return int(np.sum((np.abs(samples) > 0.5) & (owners == 0)))
