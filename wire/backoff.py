"""How long to wait before connecting again, to a server or to a source: pure, the chance is an argument."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_MOST_DOUBLINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Retry:
    """How a lost connection is tried again.

    Attributes:
        first_s: the wait before the first new try, in seconds; each one after it waits twice as long.
        longest_s: no wait is longer.
        attempts: tries in a row without success before it is given up (three minutes unless set); None: never.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    attempts: int | None = 10


class Backoff:
    """Counts tries in a row; ``chance`` (0 to 1) shortens the waits by up to a half, so that not all come at once."""

    def __init__(self, retry: Retry, chance: Callable[[], float] = lambda: 0.0) -> None:
        self.retry = retry
        self.attempt = 0
        self._chance = chance

    def next_s(self) -> float | None:
        """Return how many seconds to wait before the next try; None: give up."""
        if self.retry.attempts is not None and self.attempt >= self.retry.attempts:
            return None
        longest = min(self.retry.longest_s, self.retry.first_s * 2.0 ** min(self.attempt, _MOST_DOUBLINGS))
        self.attempt += 1
        shortest = math.nextafter(longest / 2, math.inf)  # a chance close to 1 would be rounded to a half
        return max(shortest, longest * (1 - self._chance() / 2))

    def reset(self) -> None:
        """Begin anew, after success."""
        self.attempt = 0
