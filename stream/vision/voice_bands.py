"""How strong a voice is in bands of frequency, from moment to moment: pure, sound in, changes between times out."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, AudioChunk, Samples

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]

_HOP_MS: Final = 20
_HOP: Final = _HOP_MS * SAMPLES_PER_MS
_WINDOW: Final = 80 * SAMPLES_PER_MS
_FLOOR: Final = 1e-4  # of a band's mean power: what is weaker is silence, however much it flickers
_NOTHING: Final = 1e-12
_MEL_BANDS: Final = 16
_MEL_TOP_HZ: Final = 7_000.0

_OPENING_HZ: Final = (400.0, 1_000.0)  # a jaw that opens raises the first formant: there it is heard most


@dataclass(frozen=True, slots=True, eq=False)
class VoiceChanges:
    """What changed in a voice from some times to others, ``(n,)`` each, in powers of ten.

    Attributes:
        opening: how much louder it is where the opening of a mouth is heard.
        amount: how much all its bands changed on average, whichever way.
    """

    opening: Floats
    amount: Floats


class VoiceBands:
    """The bands of some sound every 20 ms, in between on the way; before and after it all is as at its ends."""

    def __init__(self, sound: AudioChunk) -> None:
        self._start_ms = sound.time_ms
        powers = _powers(sound.samples)
        self._levels = np.log10(powers + powers.mean(axis=0) * np.float32(_FLOOR) + np.float32(_NOTHING))

    def changes(self, start_ms: Times, end_ms: Times) -> VoiceChanges:
        """Return what changed from each of some media times to another, ``(n,)`` each."""
        change = self._at(end_ms) - self._at(start_ms)
        return VoiceChanges(change[:, 0], np.abs(change[:, 1:]).mean(axis=1))

    def _at(self, times_ms: Times) -> Floats:
        """Return the levels of all bands at some times, ``(n, 1 + 16)``."""
        last = len(self._levels) - 1
        places = np.clip((times_ms - self._start_ms) / _HOP_MS, 0, last)
        before = np.minimum(places.astype(np.intp), max(0, last - 1))
        share = (places - before)[:, None].astype(np.float32)
        levels: Floats = self._levels[before] * (1 - share) + self._levels[np.minimum(before + 1, last)] * share
        return levels


def _powers(samples: Samples) -> Floats:
    """Return the mean power in each band around every 320th sample, ``(times, 1 + 16)``."""
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW // 2 + _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    spectra = np.fft.rfft(frames * _taper())
    below = np.cumsum(np.square(spectra.real) + np.square(spectra.imag), axis=1, dtype=np.float64)
    low, high = _edges()
    means: Floats = ((below[:, high] - below[:, low]) / (high - low)).astype(np.float32)
    return means


@cache
def _taper() -> Floats:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _edges() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the last frequency below each band and the last inside it, ``(1 + 16,)`` each."""
    mel = 700 * (10 ** np.linspace(0, np.log10(1 + _MEL_TOP_HZ / 700), _MEL_BANDS + 2) - 1)
    low = np.array([_OPENING_HZ[0], *mel[:-2]])
    high = np.array([_OPENING_HZ[1], *mel[2:]])
    apart = SAMPLE_RATE / _WINDOW
    return (low / apart).astype(np.intp), np.rint(high / apart).astype(np.intp)
