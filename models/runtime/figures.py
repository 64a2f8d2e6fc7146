"""Figures of what is computed in batches: how large they were, what they took; counted in one thread, read in any."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BatchFigures:
    """What was computed so far.

    Attributes:
        sizes: how many batches there were of each number of requests.
        seconds: by the clock on the wall, all batches together.
    """

    sizes: Mapping[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def batches(self) -> int:
        """Return the number of batches."""
        return sum(self.sizes.values())

    @property
    def requests(self) -> int:
        """Return the number of requests in all batches."""
        return sum(size * count for size, count in self.sizes.items())


class BatchTally:
    """Counts batches as they are done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: Counter[int] = Counter()
        self._seconds = 0.0

    def note(self, size: int, seconds: float) -> None:
        """Count a batch of so many requests."""
        with self._lock:
            self._sizes[size] += 1
            self._seconds += seconds

    @property
    def figures(self) -> BatchFigures:
        """Return what was counted so far."""
        with self._lock:
            return BatchFigures(dict(self._sizes), self._seconds)
