"""How long to wait before connecting again: pure, the chance is an argument."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from stream.sources.backoff import Backoff as Waits


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
    """Counts tries in a row; the waits are shortened by up to a half at random, so that not all come at once."""

    def __init__(self, retry: Retry, chance: Callable[[], float] = random.random) -> None:
        self.attempt = 0
        self._waits = Waits(retry.first_s, longest_s=retry.longest_s, tries=retry.attempts)
        self._chance = chance

    def next_s(self) -> float | None:
        """Return how many seconds to wait before the next try; None: give up."""
        longest = self._waits.delay(self.attempt + 1)
        if longest is None:
            return None
        self.attempt += 1
        return longest * (1 - self._chance() / 2)

    def reset(self) -> None:
        """Begin anew, after success."""
        self.attempt = 0
