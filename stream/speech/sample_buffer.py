"""The latest sound of a stream, addressed by its position in it."""

import numpy as np

from stream.media import SAMPLE_RATE, Samples


class SampleBuffer:
    """Samples from :attr:`start` to :attr:`end` (exclusive) of a stream; grows as needed, forgets on request."""

    def __init__(self) -> None:
        self._store = np.zeros(SAMPLE_RATE, np.float32)
        self._first = 0  # where in the store ``start`` lies
        self.start = 0
        self.end = 0

    def append(self, samples: Samples) -> None:
        """Add what comes next."""
        self._reserve(len(samples))
        at = self._first + self.end - self.start
        self._store[at : at + len(samples)] = samples
        self.end += len(samples)

    def read(self, start: int, end: int) -> Samples:
        """Return a copy of ``start`` to ``end``.

        Raises:
            IndexError: part of it is forgotten or has not come yet.
        """
        if not self.start <= start <= end <= self.end:
            message = f"samples {start} to {end} are not within {self.start} to {self.end}"
            raise IndexError(message)
        first = self._first + start - self.start
        return self._store[first : first + end - start].copy()

    def forget(self, position: int) -> None:
        """Let go of everything before ``position``."""
        dropped = min(max(position, self.start), self.end) - self.start
        self._first += dropped
        self.start += dropped

    def _reserve(self, count: int) -> None:
        kept = self.end - self.start
        if self._first + kept + count <= len(self._store):
            return
        fresh = np.zeros(max(SAMPLE_RATE, 2 * (kept + count)), np.float32)
        fresh[:kept] = self._store[self._first : self._first + kept]
        self._store, self._first = fresh, 0
