"""What was seen when: one vector for each analyzed frame, of its faces or its scene, kept until it is not needed."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.networks.faces import evenly_spaced, over_frames

Floats = npt.NDArray[np.float32]

_KEPT_MS: Final = 120_000.0


def nearest(times: Sequence[float], wanted: float) -> int:
    """Return the index of the value nearest to ``wanted`` in an ascending, non-empty sequence."""
    after = bisect_left(times, wanted)
    if after == 0:
        return 0
    if after == len(times):
        return after - 1
    return after if times[after] - wanted < wanted - times[after - 1] else after - 1


class FrameTimeline:
    """Vectors by time; a frame without a face is kept too, so that it is not mistaken for a gap."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._vectors: list[Floats | None] = []

    def add(self, time_ms: float, vector: Floats | None) -> None:
        """Note the vector of a frame, None if it had no face; old ones are forgotten."""
        if self._times and time_ms <= self._times[-1]:
            return
        self._times.append(time_ms)
        self._vectors.append(vector)
        old = bisect_left(self._times, time_ms - _KEPT_MS)
        del self._times[:old], self._vectors[:old]

    def utterance(self, start_ms: float, end_ms: float) -> Floats | None:
        """Return the maximum over the frames nearest to 15 even times of an utterance; None without a face."""
        first, last = bisect_left(self._times, start_ms), bisect_left(self._times, end_ms)
        times = self._times[first:last]
        if not times:
            return None
        chosen = sorted({first + nearest(times, wanted) for wanted in evenly_spaced(start_ms, end_ms)})
        seen = [vector for vector in (self._vectors[index] for index in chosen) if vector is not None]
        return over_frames(seen) if seen else None
