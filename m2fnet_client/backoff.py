"""How long to wait before connecting again: pure, the chance is an argument."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """How a lost connection is tried again.

    Attributes:
        first_s: the wait before the first new try, in seconds; each one after it waits twice as long.
        longest_s: no wait is longer.
        attempts: tries in a row without success before it is given up; None: never.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    attempts: int | None = None


class Backoff:
    """Counts tries in a row; the waits are shortened by up to a half at random, so that not all come at once."""

    def __init__(self, retry: Retry, chance: Callable[[], float] = random.random) -> None:
        self.attempt = 0
        self._retry = retry
        self._chance = chance

    def next_s(self) -> float | None:
        """Return how many seconds to wait before the next try; None: give up."""
        if self._retry.attempts is not None and self.attempt >= self._retry.attempts:
            return None
        # The exponent is bounded: no float is large enough for days of tries.
        longest = min(self._retry.longest_s, self._retry.first_s * 2.0 ** min(self.attempt, 64))
        self.attempt += 1
        return longest * (1 - self._chance() / 2)

    def reset(self) -> None:
        """Begin anew, after success."""
        self.attempt = 0
