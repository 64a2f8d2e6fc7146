"""How long to wait between attempts to reconnect."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow by ``factor`` from ``first_s`` to at most ``longest_s``, for ``tries`` attempts (None: any)."""

    first_s: float = 0.5
    factor: float = 2.0
    longest_s: float = 15.0
    tries: int | None = 8

    def delay(self, failures: int) -> float | None:
        """Return the seconds to wait after the ``failures``-th failure in a row (from 1); None: give up."""
        if self.tries is not None and failures > self.tries:
            return None
        return min(self.longest_s, self.first_s * self.factor ** min(failures - 1, 64))
