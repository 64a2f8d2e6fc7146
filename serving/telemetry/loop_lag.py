"""How late the event loop is: whatever blocks it delays every connection at once."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

PERIOD_S: Final = 0.01
_BIN_MS: Final = 0.5
_BINS: Final = 2_000  # the last one holds everything from a second on


class LagCounts:
    """Delays in milliseconds, counted in bins of half a millisecond, so that any number takes the same memory."""

    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self.total = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0

    def note(self, lag_ms: float) -> None:
        """Count one delay; one below 0 is a clock's inaccuracy and counts as 0."""
        lag_ms = max(0.0, lag_ms)
        self._bins[min(int(lag_ms / _BIN_MS), _BINS - 1)] += 1
        self.total += 1
        self.sum_ms += lag_ms
        self.max_ms = max(self.max_ms, lag_ms)

    def percentile_ms(self, percent: float) -> float:
        """Return what so many percent of the delays do not exceed, rounded up to a bin's end; 0 when there are none."""
        so_far = 0
        for index, count in enumerate(self._bins[:-1]):
            so_far += count
            if so_far >= self.total * percent / 100:
                return min((index + 1) * _BIN_MS, self.max_ms)
        return self.max_ms

    def below(self, limit_ms: float) -> int:
        """Return how many delays were less than a limit, a multiple of half a millisecond of at most a second."""
        return sum(self._bins[: min(round(limit_ms / _BIN_MS), _BINS - 1)])


class LoopWatch:
    """Sleeps for 10 ms again and again in the event loop, and notes by how much later it wakes.

    Args:
        clock: tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.lag = LagCounts()
        self._clock = clock

    async def run(self) -> None:
        """Watch the loop this runs in until cancelled."""
        while True:
            due_s = self._clock() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self.lag.note((self._clock() - due_s) * 1000)

    def figures(self) -> dict[str, float]:
        """Return the delays since the start, for ``/healthz``."""
        return {"lag_max_ms": round(self.lag.max_ms, 1), "lag_p99_ms": round(self.lag.percentile_ms(99), 1)}
