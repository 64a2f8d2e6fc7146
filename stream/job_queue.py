"""The transcriber's waiting line: bounded, what is urgent first, and only what is not urgent can be dropped."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition

from stream.batching import next_batch
from stream.media import Samples
from stream.transcript import Transcript


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Sound to transcribe; ``partial`` ones may be dropped. Without a language, it has to be detected."""

    samples: Samples
    start_ms: float
    language: str | None
    partial: bool
    future: Future[Transcript]


class ClosedError(RuntimeError):
    """The line takes no more jobs."""


class JobQueue:
    """At most ``size`` waiting jobs, for any number of threads.

    When it is full the oldest partial job makes room and is counted; a new partial job that finds only others
    waiting is itself dropped. A dropped job's future is cancelled. Other jobs are never dropped: ``put`` waits.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._urgent: deque[Job] = deque()
        self._partial: deque[Job] = deque()
        self._changed = Condition()
        self._closed = False
        self.dropped = 0

    @property
    def waiting(self) -> tuple[int, int]:
        """Return how many jobs wait that must not be dropped, and how many partial ones."""
        with self._changed:
            alive = [sum(not job.future.cancelled() for job in line) for line in (self._urgent, self._partial)]
        return alive[0], alive[1]

    def put(self, job: Job) -> None:
        """Line up a job; waits while the line is full of jobs that must not be dropped.

        Raises:
            ClosedError: the line is or gets closed.
        """
        dropped: list[Job] = []
        try:
            with self._changed:
                self._line_up(job, dropped)
        finally:
            for late in dropped:  # outside the lock: callbacks of the future may take others
                late.future.cancel()

    def get(self, limit: int = 1) -> list[Job]:
        """Wait for the next jobs nobody has cancelled, now running, that can be done together; none: it is closed."""
        with self._changed:
            while True:
                while not self._closed and not self._urgent and not self._partial:
                    self._changed.wait()
                if self._closed:
                    return []
                if taken := [job for job in self._take(limit) if job.future.set_running_or_notify_cancel()]:
                    return taken

    def close(self) -> None:
        """Cancel everything that waits and take no more."""
        with self._changed:
            self._closed = True
            waiting = [*self._urgent, *self._partial]
            self._urgent.clear()
            self._partial.clear()
            self._changed.notify_all()
        for job in waiting:
            job.future.cancel()

    def _line_up(self, job: Job, dropped: list[Job]) -> None:
        while not self._closed and self._full():
            if self._partial:
                dropped.append(self._partial.popleft())
            elif job.partial:
                dropped.append(job)
            else:
                self._changed.wait()
                continue
            self.dropped += 1
            if dropped[-1] is job:
                return
        if self._closed:
            message = "the transcriber is closed"
            raise ClosedError(message)
        (self._partial if job.partial else self._urgent).append(job)
        self._changed.notify_all()

    def _take(self, limit: int) -> list[Job]:
        taken = next_batch([job for job in (*self._urgent, *self._partial) if not job.future.cancelled()], limit)
        for job in taken:
            (self._partial if job.partial else self._urgent).remove(job)
        if not taken:  # all were cancelled
            self._urgent.clear()
            self._partial.clear()
        self._changed.notify_all()
        return taken

    def _full(self) -> bool:
        """Return whether no place is left, after giving up those of cancelled jobs."""
        for line in (self._urgent, self._partial):
            alive = [job for job in line if not job.future.cancelled()]
            line.clear()
            line.extend(alive)
        return len(self._urgent) + len(self._partial) >= self._size
