"""How often frames are analyzed: pure, times in, yes or no out."""

from typing import Final

_SMOOTHING: Final = 0.3
_TOLERANCE_MS: Final = 0.5  # times are rounded to milliseconds on the way


class FrameRate:
    """Lets a frame through when the last is long enough ago for the machine to keep up.

    Args:
        max_fps: never more frames a second of media time.
        processor_share: live, the share of the time that analysis may take; None analyzes at ``max_fps``
            whatever it costs, which makes offline results independent of the machine.
    """

    def __init__(self, max_fps: float, processor_share: float | None) -> None:
        self._shortest_ms = 1000 / max_fps
        self._share = processor_share
        self._cost_ms = 0.0
        self._last_ms: float | None = None
        self._last_due_ms: float | None = None
        self.passed_over = 0

    @property
    def interval_ms(self) -> float:
        """Return the time between two analyzed frames, as things stand."""
        return self._interval_ms(self._cost_ms)

    def admits(self, time_ms: float, running_ms: float = 0.0) -> bool:
        """Return whether the frame of this media time is to be analyzed, and count it as done if so.

        One that ``max_fps`` alone would have let through is otherwise counted in ``passed_over``.

        Args:
            time_ms: the frame's media time.
            running_ms: what the analysis that is going on has taken so far: a machine that has become slow is known
                by it before the first result is there.
        """
        if _early(time_ms, self._last_ms, self._interval_ms(max(self._cost_ms, running_ms))):
            if not _early(time_ms, self._last_due_ms, self._shortest_ms):
                self._last_due_ms = time_ms
                self.passed_over += 1
            return False
        self._last_ms = self._last_due_ms = time_ms
        return True

    def _interval_ms(self, cost_ms: float) -> float:
        return self._shortest_ms if self._share is None else max(self._shortest_ms, cost_ms / self._share)

    def spent(self, cost_ms: float) -> None:
        """Note what one analysis took."""
        self._cost_ms += _SMOOTHING * (cost_ms - self._cost_ms) if self._cost_ms else cost_ms


def _early(time_ms: float, last_ms: float | None, interval_ms: float) -> bool:
    return last_ms is not None and 0 <= time_ms - last_ms < interval_ms - _TOLERANCE_MS
