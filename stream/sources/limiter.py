"""Which frames of a fast stream are wanted."""


class FrameLimiter:
    """Lets at most ``max_fps`` frames of each second of media time through, evenly spaced."""

    def __init__(self, max_fps: float) -> None:
        self._interval_ms = 1000 / max_fps
        self._due_ms: float | None = None

    def keep(self, time_ms: float) -> bool:
        """Return whether the frame at ``time_ms`` is wanted; times come in order."""
        if self._due_ms is None:
            self._due_ms = time_ms
        # Time stamps are rounded to milliseconds in many containers.
        if time_ms < self._due_ms - 1:
            return False
        # Counted from when this one was due, so that the rate is kept; after a gap from now, so that no burst follows.
        late = time_ms - self._due_ms >= self._interval_ms
        self._due_ms = (time_ms if late else self._due_ms) + self._interval_ms
        return True
