"""When a client that sends no media is warned, and when it is closed: pure, times of any clock in seconds."""

from typing import Final, Literal

WARN_AT: Final = 0.8  # of the time without media


class IdleWatch:
    """Watches one client.

    Args:
        timeout_s: a client without media for so long is closed; 0: never.
        now_s: when it came.
    """

    def __init__(self, timeout_s: float, now_s: float) -> None:
        self._timeout_s = timeout_s
        self._media_at_s = now_s
        self._warned = False

    def media(self, now_s: float) -> None:
        """Note that media came."""
        self._media_at_s = now_s
        self._warned = False

    def idle_s(self, now_s: float) -> float:
        """Return how long there was no media."""
        return now_s - self._media_at_s

    def look_in_s(self, now_s: float) -> float | None:
        """Return how long nothing can come of looking; None: for ever."""
        if not self._timeout_s:
            return None
        share = 1.0 if self._warned else WARN_AT
        return max(0.0, self._media_at_s + share * self._timeout_s - now_s)

    def look(self, now_s: float) -> Literal["warn", "close"] | None:
        """Return what is due, each once."""
        idle_s = self.idle_s(now_s)
        if not self._timeout_s or idle_s < WARN_AT * self._timeout_s:
            return None
        if idle_s >= self._timeout_s:
            return "close"
        if self._warned:
            return None
        self._warned = True
        return "warn"
