"""What the emotion of an utterance seems to be while it goes on: found again and again, as far as there is time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from models.runtime.schedule import DisplacedError
from stream.dialog.recognizer import Recognition
from stream.dialog.steps import Run, Steps
from stream.speech.segmenter import Segment

_FIRST_MS: Final = 1_000  # of an utterance are there before its emotion is sought for the first time
_WORDS_MS: Final = 100  # that is waited with for words that are being heard


@dataclass(frozen=True, slots=True)
class SoFar:
    """An utterance that goes on; ``hearing``: its words are being heard anew, up to ``now_ms`` of media time."""

    utterance: int
    start_ms: float
    now_ms: float
    words: str
    hearing: bool


class Pace(Protocol):
    """Decides at which moments a result counts that was not waited for."""

    def is_over(self, run: Run[Recognition]) -> bool:
        """Go on with the work; return whether what came of it counts from now on."""

    def concluded(self, found: Recognition | None, /) -> None:
        """Take note that it counts, and what is told: None if it was given up."""


class AsItComes:
    """A result counts as soon as it is there."""

    def is_over(self, run: Run[Recognition]) -> bool:
        """Go on with the work; return whether it is done."""
        return run.advance()

    def concluded(self, _: Recognition | None, /) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    utterance: int
    run: Run[Recognition]


class WhileSpeaking:
    """Seeks the emotion of the utterance that goes on, one request at a time, and tells it.

    What is not done when the next is due, or is given up for more urgent work, is left out and counted. No time passes
    here but media time; whether a result is there is for ``pace`` to say.

    Args:
        spoken: returns the utterance that goes on, None while nobody speaks or it has likely ended.
        sound: returns its sound up to now.
        seek: returns the steps to the emotion of that much of it, with its words so far.
        urgent: returns whether something waits elsewhere that must not wait for this.
        tell: gets what was found.
        interval_ms: of media time from one request to the next; 0: none is made.
    """

    def __init__(
        self,
        spoken: Callable[[], SoFar | None],
        sound: Callable[[], Segment | None],
        seek: Callable[[Segment, str], Steps[Recognition]],
        urgent: Callable[[], bool],
        tell: Callable[[Recognition], None],
        interval_ms: int,
        pace: Pace,
    ) -> None:
        self.skipped = 0
        self._spoken, self._sound, self._seek, self._urgent, self._tell = spoken, sound, seek, urgent, tell
        self._interval_ms, self._pace = interval_ms, pace
        self._work: _Work | None = None
        self._followed: int | None = None
        self._due_ms = 0.0

    def poll(self) -> None:
        """Seek anew where that is due, else tell what was found, if it still holds.

        Which of the two is a matter of media time alone, so that a replay does the same.
        """
        if not self._interval_ms:
            return
        spoken = self._spoken()
        if self._work is not None and (spoken is None or spoken.utterance != self._work.utterance):
            self.cancel()
        if spoken is not None and self._is_due(spoken):
            self._begin(spoken)
        if self._work is not None and self._pace.is_over(self._work.run):
            self._conclude(self._work.run)

    def cancel(self) -> None:
        """Take back what is being sought: what is known at the end of an utterance is better."""
        if self._work is not None:
            self._work.run.cancel()
            self._work = None

    def _is_due(self, spoken: SoFar) -> bool:
        if spoken.utterance != self._followed:
            self._followed, self._due_ms = spoken.utterance, spoken.start_ms + _FIRST_MS
        late_ms = spoken.now_ms - self._due_ms
        return late_ms >= (_WORDS_MS if spoken.hearing else 0)

    def _begin(self, spoken: SoFar) -> None:
        self._due_ms = spoken.now_ms + self._interval_ms
        if self._work is not None:
            self.skipped += 1
            self.cancel()
        segment = self._sound()
        if segment is not None:
            self._work = _Work(spoken.utterance, Run(self._if_time(self._seek(segment, spoken.words))))

    def _if_time(self, steps: Steps[Recognition]) -> Steps[Recognition]:
        if self._urgent():
            message = "more urgent work waits"
            raise DisplacedError(message)
        return (yield from steps)

    def _conclude(self, run: Run[Recognition]) -> None:
        self._work = None
        found = run.result
        self._pace.concluded(found)
        if found is None:
            self.skipped += 1
        else:
            self._tell(found)
