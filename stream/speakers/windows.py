"""Which windows of an utterance that goes on are heard for whose voice it is, and in which band. Pure."""

from typing import Final

import numpy as np

from stream.media import SAMPLE_RATE, Samples

WINDOW_MS: Final = 1_200.0
STEP_MS: Final = 200.0
SHORTEST_MS: Final = 400.0
"""Of an utterance's sound: less tells nobody's voice."""

Extent = tuple[float, float]

_EDGE_HZ: Final = 3_800.0  # a telephone's band ends at 3,400 Hz
_LEAST: Final = 2e-4  # of the power is beyond, where voices are heard as they are: of a telephone's it is some 1e-5


class WindowSchedule:
    """Follows one utterance after the other; all times are media time in milliseconds."""

    def __init__(self) -> None:
        self._start_ms = self._next_ms = self._last_ms = 0.0

    def begin(self, start_ms: float) -> None:
        """Follow an utterance that begins; one that begins at a cut has windows already."""
        self._start_ms = start_ms
        self._last_ms = max(self._last_ms, start_ms)
        self._next_ms = max(self._next_ms, start_ms + WINDOW_MS)

    def due(self, now_ms: float) -> list[Extent]:
        """Return the windows that are complete by now and were not returned before."""
        found = []
        while self._next_ms <= now_ms:
            found.append((self._next_ms - WINDOW_MS, self._next_ms))
            self._last_ms, self._next_ms = self._next_ms, self._next_ms + STEP_MS
        return found

    def rest(self, end_ms: float) -> Extent | None:
        """Return the window at the end of an utterance, if there is more of it than the windows before had."""
        start_ms = max(self._start_ms, end_ms - WINDOW_MS)
        if end_ms - start_ms < SHORTEST_MS or end_ms - self._last_ms < STEP_MS / 2:
            return None
        self._last_ms = end_ms
        self._next_ms = max(self._next_ms, end_ms + STEP_MS / 2)
        return start_ms, end_ms


def is_narrow(samples: Samples) -> bool:
    """Return whether hardly any of the power of speech, ``(n,)`` at 16 kHz, is beyond a telephone's band."""
    power = np.square(np.abs(np.fft.rfft(samples)))
    beyond = power[np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE) > _EDGE_HZ].sum()
    return bool(beyond < _LEAST * power.sum())
