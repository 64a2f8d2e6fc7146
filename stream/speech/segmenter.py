"""Sound in, utterances out: no thread, no clock, the same result for any chunking of the same sound.

Times are media time in milliseconds. Sound is looked at in windows of 32 ms, so what is decided about the
last, incomplete window comes with the next chunk, or with :meth:`Segmenter.finish`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stream.media import SAMPLES_PER_MS, AudioChunk, Samples
from stream.speech.endpointing import Decision, Endpointer, EndReason
from stream.speech.loudness import levelled
from stream.speech.sample_buffer import SampleBuffer
from stream.speech.sentences import complete_sentences, in_order
from stream.speech.sound import Sound
from stream.speech.transcript import Word
from stream.speech.vad import WINDOW
from wire.settings import SegmenterSettings

_HOP = 10 * SAMPLES_PER_MS  # step and width with which the quietest place between two words is sought
_SMOOTHED = 30 * SAMPLES_PER_MS
_MARGIN = 100 * SAMPLES_PER_MS  # how far the model's word times may be off
_CHANGE_MS = 150.0  # how far windows of voices may be off


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The sound of one utterance so far: ``(n,)`` float32, 16 kHz, made louder where it is very quiet."""

    utterance: int
    start_ms: float
    end_ms: float
    samples: Samples

    def between(self, start_ms: float, end_ms: float) -> Samples | None:
        """Return the sound from one media time to another, None where it is not all there."""
        return Sound(self.samples, self.start_ms).between(start_ms, end_ms)


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Somebody begins to speak; ``start_ms`` includes the pre-roll."""

    utterance: int
    start_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class LikelyEnd:
    """Silence since ``likely_end_ms``: if it lasts, the utterance will have exactly this sound."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech went on after a likely end, which thereby was none."""

    utterance: int


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceEnd:
    """The utterance is complete; ``words`` are its words when it was cut at the end of a sentence, else None.

    A likely end told of it before a cut (``sentence``, ``speaker``, ``longest``) does not hold any more; the utterance
    that begins at the cut gets its own.
    """

    segment: Segment
    reason: EndReason
    words: tuple[Word, ...] | None


@dataclass(frozen=True, slots=True)
class Discarded:
    """What began as speech was too short for an utterance."""

    utterance: int
    reason: str


SegmentEvent = SpeechStart | LikelyEnd | SpeechResumed | UtteranceEnd | Discarded


class Segmenter:
    """Cuts the sound of one participant into utterances; ids count up from 0.

    ``detector`` gives the speech probability of each window of 512 samples, in order.
    """

    def __init__(self, settings: SegmenterSettings, detector: Callable[[Samples], float]) -> None:
        self._settings = settings
        self._detector = detector
        self._endpointer = Endpointer(settings)
        self._buffer = SampleBuffer()
        self._done = 0  # samples that went through the detector
        self._silent = (0, 0)  # samples that stand for missing sound
        self._origin_ms: float | None = None  # media time of position 0, moved by what is left out
        self._lag_ms = 0.0  # how far the media's own times have fallen behind ours

    @property
    def now_ms(self) -> float:
        """Return the media time up to which sound has come."""
        return self._time(self._buffer.end)

    @property
    def settled_ms(self) -> float:
        """Return the media time before which no utterance can begin any more."""
        return self._time(min(self._endpointer.needed_from, self._done))

    def push(self, chunk: AudioChunk) -> list[SegmentEvent]:
        """Take the next sound.

        Sound missing for more than ``gap_ms`` counts as silence of that length. Times that jump back are moved
        so that the sound follows on what came before: media time never runs backwards.
        """
        events = self._synchronize(chunk.time_ms)
        self._buffer.append(chunk.samples)
        return events + self._advance()

    def words(self, words: Sequence[Word], *, whole: bool = True) -> list[SegmentEvent]:
        """Cut the utterance in progress at the sentences that these words of it show complete.

        Unless they are the ``whole`` of it, from its start, the first that is cut off has more, so none are told.
        Words of sound that has been cut off or has ended since, or whose times are in disorder, change nothing.
        """
        opened = self._endpointer.extent
        if opened is None or not words or not in_order(words) or words[0].start_ms < self._time(opened[1]):
            return []
        events: list[SegmentEvent] = []
        begin = 0
        sentences = complete_sentences(
            words, min_ms=self._settings.min_sentence_ms, lookahead=self._settings.sentence_words
        )
        for _, last in sentences:
            decisions = self._endpointer.cut(self._quietest(words[last].end_ms, words[last + 1].start_ms), "sentence")
            if decisions:
                events += self._events(decisions, tuple(words[begin : last + 1]) if whole or begin else None)
                begin = last + 1
        self._forget()
        return events

    def change(self, time_ms: float) -> list[SegmentEvent]:
        """Cut the utterance in progress where another begins to speak, about then: where it is quietest."""
        events = self._events(
            self._endpointer.cut(self._quietest(time_ms - _CHANGE_MS, time_ms + _CHANGE_MS), "speaker")
        )
        self._forget()
        return events

    @property
    def spoken_ms(self) -> float:
        """Return the media time up to which the utterance in progress goes by now; of none, 0."""
        extent = self._endpointer.extent
        return 0.0 if extent is None else self._time(extent[2])

    def between(self, start_ms: float, end_ms: float) -> Samples | None:
        """Return the sound of the utterance in progress from one time to another, None where it is not all there."""
        extent = self._endpointer.extent
        start, end = self._position(start_ms), self._position(end_ms)
        if extent is None or start < extent[1] or end > extent[2]:
            return None
        return levelled(self._buffer.read(start, end))

    def open_segment(self, longest_ms: int | None = None) -> Segment | None:
        """Return the utterance in progress up to now, of a longer one the last part, or None when nobody speaks."""
        extent = self._endpointer.extent
        if extent is None:
            return None
        utterance, start, end = extent
        first = start if longest_ms is None else max(start, end - longest_ms * SAMPLES_PER_MS)
        return self._segment(utterance, first, end)

    def finish(self) -> list[SegmentEvent]:
        """Take the end of the media, which ends the utterance in progress."""
        rest = self._buffer.end - self._done
        decisions = self._endpointer.push(self._probability(rest), rest) if rest else []
        self._done += rest
        events = self._events(decisions + self._endpointer.finish())
        self._forget()
        return events

    def _synchronize(self, time_ms: float) -> list[SegmentEvent]:
        if self._origin_ms is None:
            self._origin_ms = time_ms
        ahead_ms = time_ms + self._lag_ms - self._time(self._buffer.end)
        if ahead_ms < -self._settings.gap_ms:
            self._lag_ms -= ahead_ms
        return self._fill(ahead_ms) if ahead_ms > self._settings.gap_ms else []

    def _fill(self, missing_ms: float) -> list[SegmentEvent]:
        """Put silence for missing sound: as much as ends any utterance, the rest only as time."""
        settings = self._settings
        filled_ms = min(missing_ms, settings.confirmed_end_ms + settings.pre_roll_ms + settings.gap_ms)
        count = round(filled_ms * SAMPLES_PER_MS)
        self._silent = (self._buffer.end, self._buffer.end + count)
        self._buffer.append(np.zeros(count, np.float32))
        events = self._advance()
        self._origin_ms = (self._origin_ms or 0.0) + missing_ms - count / SAMPLES_PER_MS
        return events

    def _advance(self) -> list[SegmentEvent]:
        events: list[SegmentEvent] = []
        while self._done + WINDOW <= self._buffer.end:
            probability = self._probability(WINDOW)
            self._done += WINDOW
            events += self._events(self._endpointer.push(probability))
        self._forget()
        return events

    def _probability(self, length: int) -> float:
        start, end = self._done, self._done + length
        if self._silent[0] <= start and end <= self._silent[1]:
            return 0.0
        window = self._buffer.read(start, end)
        return self._detector(np.pad(window, (0, WINDOW - length)))

    def _forget(self) -> None:
        self._buffer.forget(min(self._endpointer.needed_from, self._done))

    def _events(self, decisions: Iterable[Decision], words: tuple[Word, ...] | None = None) -> list[SegmentEvent]:
        return [self._event(decision, words) for decision in decisions]

    def _event(self, decision: Decision, words: tuple[Word, ...] | None) -> SegmentEvent:
        match decision.kind:
            case "start":
                return SpeechStart(decision.utterance, self._time(decision.start))
            case "likely_end":
                return LikelyEnd(self._segment(decision.utterance, decision.start, decision.end))
            case "resumed":
                return SpeechResumed(decision.utterance)
            case "end":
                segment = self._segment(decision.utterance, decision.start, decision.end)
                return UtteranceEnd(segment, decision.reason, words)
            case "discarded":
                return Discarded(decision.utterance, "too short")

    def _segment(self, utterance: int, start: int, end: int) -> Segment:
        return Segment(utterance, self._time(start), self._time(end), levelled(self._buffer.read(start, end)))

    def _time(self, position: int) -> float:
        return (self._origin_ms or 0.0) + position / SAMPLES_PER_MS

    def _position(self, time_ms: float) -> int:
        return round((time_ms - (self._origin_ms or 0.0)) * SAMPLES_PER_MS)

    def _quietest(self, end_ms: float, start_ms: float) -> int:
        """Return the quietest position between the end of a word and the start of the next."""
        _, first, last = self._endpointer.extent or (0, 0, 0)
        low = min(max(self._position(end_ms) - _MARGIN, first), last)
        high = min(max(self._position(start_ms) + _MARGIN, low), last)
        return low + _quietest_place(self._buffer.read(low, high))


def _quietest_place(samples: Samples) -> int:
    """Return the middle of the 30 ms with the least energy, or the middle of shorter sound."""
    if len(samples) < _SMOOTHED:
        return len(samples) // 2
    frames = np.lib.stride_tricks.sliding_window_view(samples, _SMOOTHED)[::_HOP]
    return int(np.argmin(np.square(frames).sum(axis=1))) * _HOP + _SMOOTHED // 2
