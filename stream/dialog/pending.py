"""The utterances of one session that have ended, or likely have, on their way to their emotions."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from models.runtime.runtime import Branch
from stream.dialog.recognizer import Recognition
from stream.dialog.voices import Voice
from stream.speech.segmenter import Segment
from stream.speech.transcript import Transcript, Word, text_of
from stream.vision.face_analyzer import Seen
from wire.events import Latency


@dataclass(eq=False)
class PendingUtterance:
    """One of them: what was asked for, and what has come of it.

    Attributes:
        ended_at: when it ended, and ``asked_at`` when recognition began, by ``time.perf_counter``.
        endpoint_ms: what its end was waited for.
        final: it has ended; else it may go on, and its result be taken back.
        heard: its transcript, once it is there: since ``heard_at``.
        branch: what its voice says, of whomever it is.
        seen: what was seen of it, once that was asked for.
        voice: what its voice says against its speaker's baseline, once the speaker is known.
        named: its emotion was sought, and ``told``: it was told.
    """

    segment: Segment
    transcript: Future[Transcript]
    audio: Future[Branch | None]
    ended_at: float
    endpoint_ms: float
    asked_at: float
    final: bool
    heard: Transcript | None = None
    heard_at: float = 0.0
    branch: Branch | None = None
    seen: Seen | None = None
    voice: Voice | None = None
    recognition: Recognition | None = None
    named: bool = False
    told: bool = False

    def let_go(self) -> None:
        """Keep the sound no longer: all that was asked of it is there."""
        self.segment = replace(self.segment, samples=self.segment.samples[:0])

    def latency(self, recognition: Recognition, *, live: bool) -> Latency:
        """Return where the time went until now; of a file there is no time since its end."""
        return Latency(
            endpoint_ms=self.endpoint_ms,
            transcript_ms=(self.heard_at - self.asked_at) * 1000,
            features_ms=recognition.features_ms,
            fusion_ms=recognition.fusion_ms,
            total_ms=(time.perf_counter() - self.ended_at) * 1000 if live else 0.0,
        )


class PendingUtterances:
    """A line of them, in their order; only the newest may be one that goes on.

    Args:
        transcribe: lines up a segment's sound for its words.
        voice: lines it up for the features of its voice.
    """

    def __init__(
        self,
        transcribe: Callable[[Segment], Future[Transcript]],
        voice: Callable[[Segment], "Future[Branch | None]"],
    ) -> None:
        self._transcribe, self._voice = transcribe, voice
        self._line: deque[PendingUtterance] = deque()

    def __len__(self) -> int:
        return len(self._line)

    @property
    def first(self) -> PendingUtterance:
        """Return the oldest."""
        return self._line[0]

    @property
    def early(self) -> PendingUtterance | None:
        """Return the one that may go on, if there is one."""
        return self._line[-1] if self._line and not self._line[-1].final else None

    def begin(self, segment: Segment, words: tuple[Word, ...] | None, waited_ms: float, *, final: bool) -> None:
        """Start recognition; ``words`` are those of an utterance that was cut at a sentence, by which it was cut."""
        now = time.perf_counter()
        self._line.append(
            PendingUtterance(
                segment=segment,
                transcript=self._transcribe(segment) if words is None else _known(words),
                audio=self._voice(segment),
                ended_at=now - waited_ms / 1000,
                endpoint_ms=waited_ms,
                asked_at=now,
                final=final,
            )
        )

    def confirm(self, segment: Segment) -> bool:
        """Make the early result of just this segment the final one; return whether there was one."""
        early = self.early
        if early is None or _extent(early.segment) != _extent(segment):
            return False
        early.final = True
        return True

    def withdraw(self, utterance: int) -> PendingUtterance | None:
        """Take back an early result, in work or told."""
        early = self.early
        if early is None or early.segment.utterance != utterance:
            return None
        early.transcript.cancel()
        return self._line.pop()

    def done(self) -> None:
        """Take the oldest out of the line."""
        self._line.popleft()

    def cancel(self) -> None:
        """Take all of them back."""
        while self._line:
            left = self._line.pop()
            left.transcript.cancel()
            left.audio.cancel()


def _extent(segment: Segment) -> tuple[int, float, float]:
    return segment.utterance, segment.start_ms, segment.end_ms


def _known(words: tuple[Word, ...]) -> Future[Transcript]:
    future: Future[Transcript] = Future()
    future.set_result(Transcript(text_of(words), words, ""))
    return future
