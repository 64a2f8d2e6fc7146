"""The time of live devices."""

import threading
import time
from collections.abc import Callable


class LiveClock:
    """Milliseconds since the first media of all devices that share it, by the monotonic clock ``now`` (seconds)."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._origin_s: float | None = None
        self._lock = threading.Lock()

    def stamp(self, age_ms: float = 0.0) -> float:
        """Return the time of what happened ``age_ms`` ago; the first call's is 0, an earlier one is 0 too."""
        moment_s = self._now() - age_ms / 1000
        with self._lock:
            if self._origin_s is None:
                self._origin_s = moment_s
            return max(0.0, (moment_s - self._origin_s) * 1000)
