"""How loud sound is, and what brings very quiet sound to where speech is found and recognized. Pure."""

from collections.abc import Callable
from math import log10
from typing import Final

import numpy as np

from stream.media import SAMPLE_RATE, Samples
from stream.speech.vad import WINDOW

QUIET_DB: Final = -45.0
"""Root mean square of the loudest window, in decibels of full scale, below which speech is very quiet."""

SILENT_DB: Final = -95.0  # what 16 bits can't tell from nothing

_MOST_DB: Final = 40.0  # of gain: what would need more has been lost in 16 bits
_FALL_DB_PER_S: Final = 0.5  # who spoke aloud is not forgotten in a pause of most of a minute
_FALL_DB: Final = _FALL_DB_PER_S * WINDOW / SAMPLE_RATE


def level_db(samples: Samples) -> float:
    """Return the root mean square in decibels of full scale, at least -200."""
    power = float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
    return 10 * log10(max(power, 1e-20))


def gain(loudest_db: float) -> float:
    """Return the factor that takes sound, of which this is the loudest window, out of the very quiet."""
    return float(10 ** (min(max(QUIET_DB - loudest_db, 0.0), _MOST_DB) / 20))


def levelled(samples: Samples) -> Samples:
    """Return an utterance's sound, louder as a whole where it is very quiet, otherwise as it is."""
    windows = [samples[at : at + WINDOW] for at in range(0, len(samples), WINDOW)]
    factor = gain(max(map(level_db, windows), default=0.0))
    return samples if factor == 1.0 else (samples * np.float32(factor)).astype(np.float32)


class LevelledDetector:
    """Hears very quiet sound louder: finds speech where :class:`~stream.speech.vad.SpeechDetector` finds silence.

    The gain follows the loudest window, at once when it gets louder and slowly afterwards, and is 1 as soon as that
    one was not very quiet: whoever speaks beside a loud voice is not made louder.

    Args:
        detector: gives the speech probability of each window, in order.
        heard: is told each window's level in decibels and its probability.
    """

    def __init__(self, detector: Callable[[Samples], float], heard: Callable[[float, float], None]) -> None:
        self._detector, self._heard = detector, heard
        self._loudest_db = SILENT_DB

    def __call__(self, window: Samples) -> float:
        """Return the speech probability of the next ``(512,)`` float32 samples at 16 kHz."""
        level = level_db(window)
        self._loudest_db = max(level, self._loudest_db - _FALL_DB)
        probability = self._detector((window * np.float32(gain(self._loudest_db))).astype(np.float32))
        self._heard(level, probability)
        return probability
