"""What was seen when: what each analyzed frame showed of faces or scene, kept until it is not needed."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from models.networks.faces import evenly_spaced

Value = TypeVar("Value")

_KEPT_MS: Final = 120_000.0


def nearest(times: Sequence[float], wanted: float) -> int:
    """Return the index of the value nearest to ``wanted`` in an ascending, non-empty sequence."""
    after = bisect_left(times, wanted)
    if after == 0:
        return 0
    if after == len(times):
        return after - 1
    return after if times[after] - wanted < wanted - times[after - 1] else after - 1


class FrameTimeline(Generic[Value]):
    """What frames showed by time; one without a face is kept too, so that it is not mistaken for a gap."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: list[Value] = []

    def add(self, time_ms: float, value: Value) -> None:
        """Note what a frame showed; old ones are forgotten."""
        if self._times and time_ms <= self._times[-1]:
            return
        self._times.append(time_ms)
        self._values.append(value)
        old = bisect_left(self._times, time_ms - _KEPT_MS)
        del self._times[:old], self._values[:old]

    def during(self, start_ms: float, end_ms: float) -> list[Value]:
        """Return what the frames nearest to 15 even times of an utterance showed, in their order."""
        first, last = bisect_left(self._times, start_ms), bisect_left(self._times, end_ms)
        times = self._times[first:last]
        if not times:
            return []
        chosen = sorted({first + nearest(times, wanted) for wanted in evenly_spaced(start_ms, end_ms)})
        return [self._values[index] for index in chosen]
