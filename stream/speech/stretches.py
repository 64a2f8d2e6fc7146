"""The speech of a file between its pauses, found ahead of the cutting, and the sound kept until that has its words.

No thread, no clock. What decides is :mod:`stream.speech.segmenter`, which takes the sound twice: first without any
sentences, and in :class:`FileCutter` with the words, as it does live. The speech detector hears it once: what it found
is kept with the sound.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Final

from stream.media import AudioChunk, Samples
from stream.speech.segmenter import Discarded, Segmenter, SegmentEvent, SpeechStart, UtteranceEnd
from stream.speech.sound import Sound
from stream.speech.transcript import Word
from wire.settings import SegmenterSettings

_AFTER_CHANGE_MS: Final = 600.0  # of sound: less may not be enough for an utterance


class StretchFinder:
    """Finds stretches of speech, each as the sound of one utterance that is never cut at a sentence.

    Args:
        detector: gives the speech probability of each window of 512 samples, in order.
    """

    def __init__(self, settings: SegmenterSettings, detector: Callable[[Samples], float]) -> None:
        self._detector = detector
        self._segmenter = Segmenter(settings, self._probability)
        self._kept: deque[tuple[float, AudioChunk]] = deque()
        self.probabilities: deque[float] = deque()
        """Of the windows of the sound that is kept, oldest first; who takes the sound takes them too."""

    @property
    def now_ms(self) -> float:
        """Return the media time up to which sound has come."""
        return self._segmenter.now_ms

    @property
    def settled_ms(self) -> float:
        """Return the media time before which no stretch can begin any more."""
        return self._segmenter.settled_ms

    def push(self, chunk: AudioChunk) -> list[Sound]:
        """Take the next sound; return the stretches that have ended."""
        events = self._segmenter.push(chunk)
        self._kept.append((self.now_ms, chunk))
        return list(_stretches(events))

    def finish(self) -> list[Sound]:
        """Take the end of the sound, which ends the stretch in progress."""
        return list(_stretches(self._segmenter.finish()))

    def take(self, until_ms: float) -> Iterator[AudioChunk]:
        """Yield the sound that is kept and ends by then, and keep it no more."""
        while self._kept and self._kept[0][0] <= until_ms:
            yield self._kept.popleft()[1]

    def _probability(self, window: Samples) -> float:
        probability = self._detector(window)
        self.probabilities.append(probability)
        return probability


def _stretches(events: Iterable[SegmentEvent]) -> Iterator[Sound]:
    for event in events:
        if isinstance(event, UtteranceEnd):
            yield Sound(event.segment.samples, event.segment.start_ms)


class FileCutter:
    """Cuts sound whose words are known into utterances as they are cut live: at pauses, sentences, and the longest.

    Args:
        probabilities: the speech probabilities of the windows, oldest first; each is taken out.
    """

    def __init__(self, settings: SegmenterSettings, probabilities: deque[float]) -> None:
        self._segmenter = Segmenter(settings, lambda _: probabilities.popleft())
        self._words: deque[Word] = deque()  # known, and of no utterance yet
        self._changes: deque[float] = deque()
        self._start_ms: float | None = None  # of the utterance in progress
        self._spoken = 0  # words of it when its sentences were looked at last

    def know(self, words: Iterable[Word]) -> None:
        """Take words of sound that is yet to be pushed, in their order."""
        self._words.extend(words)

    def change(self, times_ms: Iterable[float]) -> None:
        """Take when another begins to speak in sound that is yet to be pushed, in order."""
        self._changes.extend(times_ms)

    def push(self, chunk: AudioChunk) -> list[UtteranceEnd]:
        """Take the next sound; return the utterances that have ended, each with its words, None where it has none."""
        ended = self._taken(self._segmenter.push(chunk))
        return ended + self._spoken_by_others() + self._sentences()

    def finish(self) -> list[UtteranceEnd]:
        """Take the end of the sound, which ends the utterance in progress."""
        return self._taken(self._segmenter.finish())

    def _spoken_by_others(self) -> list[UtteranceEnd]:
        """End what was said before another began to speak, once enough of that is there."""
        ended = []
        while self._changes and self._changes[0] + _AFTER_CHANGE_MS <= self._segmenter.now_ms:
            ended += self._taken(self._segmenter.change(self._changes.popleft()))
        return ended

    def _sentences(self) -> list[UtteranceEnd]:
        """End what the words spoken by now show to be complete sentences."""
        words = self._said()
        if len(words) == self._spoken:
            return []
        self._spoken = len(words)
        return self._taken(self._segmenter.words(words))

    def _said(self) -> list[Word]:
        """Return the words of the utterance in progress that have been spoken by now."""
        start_ms, now_ms = self._start_ms, self._segmenter.now_ms
        if start_ms is None:
            return []
        return [_from(word, start_ms) for word in takewhile(lambda word: word.end_ms <= now_ms, self._words)]

    def _taken(self, events: Iterable[SegmentEvent]) -> list[UtteranceEnd]:
        ended = []
        for event in events:
            match event:
                case SpeechStart():
                    self._start_ms, self._spoken = event.start_ms, 0
                case UtteranceEnd():
                    ended.append(self._with_words(event))
                case Discarded():
                    self._start_ms = None
                case _:
                    pass
        return ended

    def _with_words(self, event: UtteranceEnd) -> UtteranceEnd:
        """Return an utterance with its words: those before its end that are of none yet."""
        self._start_ms, end_ms = None, event.segment.end_ms
        count = len(event.words or ()) or sum(
            1 for _ in takewhile(lambda word: _middle_ms(word) <= end_ms, self._words)
        )
        words = tuple(_from(self._words.popleft(), event.segment.start_ms) for _ in range(count))
        return replace(event, words=words or None)


def _middle_ms(word: Word) -> float:
    return (word.start_ms + word.end_ms) / 2


def _from(word: Word, start_ms: float) -> Word:
    """Return a word that begins no sooner than the utterance it is of."""
    if word.start_ms >= start_ms:
        return word
    return replace(word, start_ms=start_ms, end_ms=max(start_ms, word.end_ms))
