"""How much later than the picture the sound comes: pure, what is believed of it, and what utterances teach.

A camera and a microphone have delays of their own, which stay as they are while a session goes on: who was seen to
speak, and with which delay, tells with which to look for the next speaker.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DELAYS_MS: Final = tuple(range(-120, 201, 40))
"""Those that are thought of."""

TOGETHER_MS: Final = 30.0
"""How far sound and picture of one file are apart, as a deviation."""

APART_MS: Final = 60.0
"""How far those of a camera and a microphone are."""

_LEAST: Final = -6.0  # so much less probable than the likeliest is none, that it may be found to be right later


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """How probable each delay is: ``logs`` ``(delays,)``, logarithms that make 1 together.

    ``heard_ms`` and ``told`` are when the last utterance began and what it told: they count once another begins, for
    until then it may go on and tell more.
    """

    logs: Floats
    heard_ms: float | None = None
    told: Floats | None = None

    @classmethod
    def within(cls, apart_ms: float) -> Self:
        """Return what is believed before anything was heard, given how far sound and picture may be apart."""
        return cls(_normalized(-0.5 * (np.array(DELAYS_MS) / apart_ms) ** 2))

    def before(self, start_ms: float) -> "Delays":
        """Return what is believed when an utterance begins."""
        if self.told is None or self.heard_ms == start_ms:
            return self
        return Delays(_normalized(self.logs + self.told))

    def after(self, start_ms: float, told: Floats) -> "Delays":
        """Return the same with what is told by now of the utterance that began then, ``(delays,)`` logarithms."""
        return replace(self, heard_ms=start_ms, told=told)


def _normalized(logs: Floats) -> Floats:
    bounded = np.maximum(logs, logs.max() + _LEAST)
    normalized: Floats = bounded - np.logaddexp.reduce(bounded)
    return normalized
