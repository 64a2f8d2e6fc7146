"""How a participant's media time relates to the room's, measured from when its media arrives; pure.

Sound that ends at media time ``t`` arrives at ``t`` + offset + delay. The offset is constant but for the drift of a
sound card against the room's clock (some 100 ppm: a third of a second in an hour); the delay is never less than half a
round trip and now and then much more. So the least difference of the last while, less half a round trip, is the offset.
"""

from collections import deque
from typing import Final

WINDOW_MS: Final = 30_000.0
_SLOT_MS: Final = 500.0  # the least of each half second is kept


class ArrivalOffset:
    """The offset of one participant, in milliseconds, from media time and the time of arrival by any steady clock."""

    def __init__(self, window_ms: float = WINDOW_MS) -> None:
        self._window_ms = window_ms
        self._least: deque[tuple[float, float]] = deque()  # slot's start, its least difference

    def arrived(self, media_end_ms: float, now_ms: float, round_trip_ms: float = 0.0) -> None:
        """Note media that ends at ``media_end_ms`` and has arrived now, over a network of this round trip."""
        difference = now_ms - media_end_ms - round_trip_ms / 2
        if self._least and now_ms - self._least[-1][0] < _SLOT_MS:
            start, least = self._least[-1]
            self._least[-1] = start, min(least, difference)
        else:
            self._least.append((now_ms, difference))
        while now_ms - self._least[0][0] > self._window_ms:
            self._least.popleft()

    @property
    def ms(self) -> float | None:
        """The room's time at media time 0; None before any media."""
        return min((least for _, least in self._least), default=None)
