"""The words so far of what is being said: asked for again and again while it goes on, and put together."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from stream.speech.segmenter import Segment, Segmenter, SpeechStart
from stream.speech.transcript import Transcript, Word, text_of

_LONGEST_MS: Final = 20_000  # of an utterance that goes on are heard for its words so far, however long it may become


@dataclass(frozen=True, slots=True, eq=False)
class WordsSoFar:
    """What was recognized of an utterance in progress; ``whole``: from its start on."""

    segment: Segment
    transcript: Transcript
    whole: bool


class Partials:
    """Has the utterance in progress transcribed, one request at a time.

    Args:
        transcribe: lines up a segment; the transcript may be dropped for more urgent work.
        interval_ms: of new speech, before its words are asked for again.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        transcribe: Callable[[Segment], Future[Transcript]],
        interval_ms: int,
    ) -> None:
        self.open: SpeechStart | None = None
        self.text = ""  # of the utterance in progress, as told last
        self.skipped = 0
        self._segmenter, self._transcribe, self._interval_ms = segmenter, transcribe, interval_ms
        self._asked: tuple[Segment, Future[Transcript]] | None = None
        self._said: tuple[Word, ...] = ()  # the words of the text
        self._due_ms = 0.0

    def start(self, opened: SpeechStart) -> None:
        """Follow an utterance that begins."""
        self.open, self.text, self._said = opened, "", ()
        self._due_ms = opened.start_ms + self._interval_ms

    @property
    def hearing(self) -> bool:
        """Return whether words were asked for that are not there yet."""
        return self._asked is not None

    def end(self, utterance: int) -> bool:
        """Follow an utterance no more; return whether it was the one in progress."""
        ended = self.open is not None and self.open.utterance == utterance
        if ended:
            self.open = None
        return ended

    def ask(self, now_ms: float) -> None:
        """Ask for the words so far when enough speech is new and nothing is asked already."""
        if self.open is None or now_ms < self._due_ms or self._asked is not None:
            return
        segment = self._segmenter.open_segment(_LONGEST_MS)
        if segment is not None:
            self._due_ms = now_ms + self._interval_ms
            self._asked = (segment, self._transcribe(segment))

    def take(self) -> WordsSoFar | None:
        """Return the words that were asked for, once they are there."""
        if self._asked is None:
            return None
        segment, future = self._asked
        if not future.done():
            return None
        self._asked = None
        transcript = _result(future)
        if transcript is None:
            self.skipped += 1
            return None
        whole = self.open is not None and segment.start_ms <= self.open.start_ms
        return WordsSoFar(segment, transcript, whole) if transcript.text else None

    def said(self, heard: WordsSoFar) -> str:
        """Return all that was said so far of the utterance in progress, which may have begun within these words."""
        if self.open is None:
            return ""
        same = self.open.utterance == heard.segment.utterance
        before = self._said if same and not heard.whole else ()
        self._said = _following(before, _after(heard.transcript.words, self.open.start_ms))
        self.text = heard.transcript.text if same and heard.whole else text_of(self._said)
        return self.text

    def drop(self) -> None:
        """Take back what was asked for."""
        if self._asked is not None:
            self._asked[1].cancel()
            self._asked = None


def _after(words: tuple[Word, ...], start_ms: float) -> tuple[Word, ...]:
    return tuple(word for word in words if (word.start_ms + word.end_ms) / 2 >= start_ms)


def _following(said: tuple[Word, ...], words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words that were said before others, and these."""
    return (*(word for word in said if words and word.end_ms <= words[0].start_ms), *words)


def _result(future: Future[Transcript]) -> Transcript | None:
    """Return a partial transcript, or None where it was dropped for more urgent work or failed."""
    try:
        return future.result()
    except Exception:  # noqa: BLE001 - CancelledError is one; the final transcript reports failures
        return None
