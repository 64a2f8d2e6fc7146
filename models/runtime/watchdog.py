"""Whether a thread that computes still answers: seen from another thread, since it can't say so itself when it hangs.

What a native library does can be neither interrupted nor taken away. Whoever waits for it is told that nothing comes;
the thread is left alone, and goes on if it ever returns.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from models.threads import watched_thread

Item = TypeVar("Item")

_LOOK_S: Final = 1.0
_LOOKS: Final = 4  # at least, within the time that work may take


class HungError(TimeoutError):
    """What computes has not answered for so long that nobody waits for it any more."""


@dataclass(slots=True, eq=False)
class _Work(Generic[Item]):
    items: Sequence[Item]
    limit_s: Callable[[], float]
    began_s: float
    suspected: bool = False
    given_up: bool = False


class Watchdog(Generic[Item]):
    """Looks now and then at what one thread is busy with, and gives up what takes too long.

    Work is given up when two looks in a row find it over its limit: so neither a limit that is about to change nor a
    process that was stopped for a while costs anybody a result. :meth:`begin` and :meth:`end` are for the thread that
    works.

    Args:
        name: of the watching thread.
        give_up: told, in that thread, of the items of work that hangs, and of the seconds it has taken.
        shortest_s: the least limit of any work; looks are a part of it apart.
        clock: tells the time, in seconds.
    """

    def __init__(
        self,
        name: str,
        give_up: Callable[[Sequence[Item], float], None],
        shortest_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._give_up, self._clock = give_up, clock
        self._look_s = min(_LOOK_S, shortest_s / _LOOKS)
        self._lock = threading.Lock()
        self._work: _Work[Item] | None = None
        self._ended = threading.Event()
        self._thread = watched_thread("watchdog", self._watch, lambda _: None, name=name)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        """Return whether the work under way was given up."""
        with self._lock:
            return self._work is not None and self._work.given_up

    def begin(self, items: Sequence[Item], limit_s: Callable[[], float]) -> None:
        """Note that work begins, which may take ``limit_s`` seconds; that is asked at every look."""
        with self._lock:
            self._work = _Work(items, limit_s, self._clock())

    def end(self) -> bool:
        """Note that it has ended, and return whether it was given up: then its items are nobody's any more."""
        with self._lock:
            work, self._work = self._work, None
            return work is not None and work.given_up

    def look(self) -> None:
        """Give up what has taken too long, if it had at the last look."""
        with self._lock:
            work = self._work
            if work is None or work.given_up:
                return
            spent_s = self._clock() - work.began_s
            over = spent_s > work.limit_s()
            work.given_up = over and work.suspected
            work.suspected = over
        if work.given_up:
            self._give_up(work.items, spent_s)

    def join(self, thread: threading.Thread) -> None:
        """Wait for the end of the thread that works, unless it hangs, and look no more."""
        while thread.is_alive() and not self.hangs:
            thread.join(self._look_s)
        self.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._look_s):
            self.look()
