"""The transcriber's waiting line: bounded, the urgent first, sessions in turn, and only partial jobs can be dropped."""

import math
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from models.runtime.schedule import Priority, Schedule
from models.runtime.watchdog import HungError
from stream.media import Samples
from stream.speech.pack import Pack
from stream.speech.transcript import Transcript


@dataclass(frozen=True, slots=True, eq=False)
class AsrJob:
    """Sound to transcribe, and the future of its words.

    Attributes:
        samples: ``(n,)`` float32 at 16 kHz, of any length; not to be changed afterwards.
        start_ms: media time of the first sample; the words come back in media time.
        language: ISO 639-1 code; None takes the settings' one, or else detects it.
        partial: may be dropped for lack of time.
        session: whose it is, so that sessions take turns; those of nobody in particular have none.
    """

    samples: Samples
    start_ms: float
    language: str | None = None
    partial: bool = False
    future: Future[Transcript] = field(default_factory=Future)
    session: str = ""

    @property
    def group(self) -> Hashable:
        """Return what jobs share that are heard together: their kind, and their language, where it is known.

        So no final one waits for the words of a partial one, and the model is told one language.
        """
        return (self.partial, self.language or self.future)

    @property
    def rows(self) -> int:
        """Return 1: each is as much of a batch as any other."""
        return 1

    @property
    def priority(self) -> Priority:
        """Return how urgent it is."""
        return "frame" if self.partial else "utterance"

    @property
    def deadline_ms(self) -> None:
        """Return None: the words of an utterance are never of no use."""
        return


@dataclass(frozen=True, slots=True, eq=False)
class PackJob:
    """Sounds to transcribe in one window, and the future of the words of each; None: heard alone, it may have some.

    Attributes:
        pack: the sounds.
        language: ISO 639-1 code; None takes the settings' one, or else detects it.
        session: as of other jobs.
    """

    pack: Pack
    language: str | None = None
    future: Future[list[Transcript | None]] = field(default_factory=Future)
    session: str = ""

    @property
    def partial(self) -> bool:
        """Return False: its words are never of no use."""
        return False

    @property
    def samples(self) -> Samples:
        """Return all its sounds as one."""
        return self.pack.samples

    @property
    def group(self) -> Hashable:
        """Return what no other job has: it fills a window."""
        return self.future

    @property
    def rows(self) -> int:
        """Return 1: it is the only one of its batch."""
        return 1

    @property
    def priority(self) -> Priority:
        """Return how urgent it is."""
        return "utterance"

    @property
    def deadline_ms(self) -> None:
        """Return None: its words are never of no use."""
        return


Job = AsrJob | PackJob


class QueueClosedError(RuntimeError):
    """The line takes no more jobs."""


class JobQueue:
    """At most ``size`` waiting jobs, for any number of threads, in turn by their sessions.

    A session has one partial job waiting at most: a newer one takes its place. When the line is full the oldest partial
    job makes room; a new partial job that finds only others waiting is itself dropped. A dropped job's future is
    cancelled, and counted. Other jobs are never dropped: ``put`` waits, except that a session of which none waits
    always has a place for one, so that nobody waits behind what others line up.

    Args:
        batch: jobs that are taken together at most.
        hangs: tells whether nobody takes jobs any more.
    """

    def __init__(self, size: int, batch: int = 1, hangs: Callable[[], bool] = lambda: False) -> None:
        self._size, self._hangs = size, hangs
        # A partial job never becomes as urgent as a final one, however long it waits: its words come anyway.
        self._waiting: Schedule[Job] = Schedule(batch, 0.0, patience_ms=math.inf)
        self._changed = Condition()
        self._closed = False
        self.dropped = 0

    @property
    def waiting(self) -> tuple[int, int]:
        """Return how many jobs wait that must not be dropped, and how many partial ones."""
        with self._changed:
            alive = [job for job in self._waiting.requests if not job.future.cancelled()]
        partial = sum(job.partial for job in alive)
        return len(alive) - partial, partial

    def put(self, job: Job) -> None:
        """Line up a job; waits while the line is full of jobs that must not be dropped.

        Raises:
            QueueClosedError: the line is or gets closed.
            HungError: nobody takes jobs any more.
        """
        dropped: list[Job] = []
        try:
            with self._changed:
                self._line_up(job, dropped)
        finally:
            for late in dropped:  # outside the lock: callbacks of the future may take others
                late.future.cancel()

    def get(self) -> list[Job]:
        """Wait for the next jobs nobody has cancelled, now running, that can be done together; none: it is closed."""
        with self._changed:
            while True:
                while not self._closed and not len(self._waiting):
                    self._changed.wait()
                if self._closed:
                    return []
                if taken := _running(self._take()):
                    return taken

    def give_up(self) -> list[Job]:
        """Return all that waits, now running, and let nobody wait for room any more who finds that it hangs."""
        with self._changed:
            waiting = self._waiting.take_all()
            self._changed.notify_all()
        return _running(waiting)

    def close(self) -> None:
        """Cancel everything that waits and take no more."""
        with self._changed:
            self._closed = True
            waiting = self._waiting.take_all()
            self._changed.notify_all()
        for job in waiting:
            job.future.cancel()

    def _line_up(self, job: Job, dropped: list[Job]) -> None:
        if job.partial and job.session:
            self._drop([other for other in self._partial() if other.session == job.session], dropped)
        while not self._closed and not self._hangs() and self._full() and not self._has_place(job):
            if oldest := self._partial()[:1]:
                self._drop(oldest, dropped)
            elif job.partial:
                self._drop([job], dropped)
                return
            else:
                self._changed.wait()
        if self._closed:
            message = "the transcriber is closed"
            raise QueueClosedError(message)
        if self._hangs():
            message = "speech recognition does not answer"
            raise HungError(message)
        self._waiting.add(job, _now_ms())
        self._changed.notify_all()

    def _drop(self, jobs: list[Job], dropped: list[Job]) -> None:
        self._waiting.discard(jobs)
        dropped += jobs
        self.dropped += len(jobs)

    def _partial(self) -> list[Job]:
        """Return the partial jobs that wait, oldest first."""
        return [job for job in self._waiting.requests if job.partial]

    def _has_place(self, job: Job) -> bool:
        """Return whether a job may wait although the line is full."""
        others = (other for other in self._waiting.requests if not other.partial)
        return not job.partial and bool(job.session) and all(other.session != job.session for other in others)

    def _take(self) -> list[Job]:
        self._forget_cancelled()
        taken = self._waiting.take_batch(_now_ms()) if len(self._waiting) else []
        self._changed.notify_all()
        return taken

    def _full(self) -> bool:
        """Return whether no place is left, after giving up those of cancelled jobs."""
        self._forget_cancelled()
        return len(self._waiting) >= self._size

    def _forget_cancelled(self) -> None:
        self._waiting.discard([job for job in self._waiting.requests if job.future.cancelled()])


def _running(jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if job.future.set_running_or_notify_cancel()]


def _now_ms() -> float:
    return time.monotonic() * 1000
