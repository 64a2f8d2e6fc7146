"""What is below the voice taken out of sound: a microphone's offset, the hum of the mains, rumble.

The networks were trained on sound without an offset. One of a fifth of full scale makes a quarter of all voices
another emotion; without what lies below 80 Hz none is another.
"""

from math import cos, pi, sin
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torchaudio.functional import lfilter

from models.media.spectrogram import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

CUTOFF_HZ: Final = 80.0  # the lowest voices begin there
_QUALITIES: Final = (0.5412, 1.3066)  # of the two sections of a Butterworth filter of the fourth order


class HighPass:
    """A causal high-pass filter of one stream of sound; the same whatever the pieces in which the sound comes."""

    def __init__(self) -> None:
        self._sections = [_Section(quality) for quality in _QUALITIES]
        self._offset: float | None = None

    def __call__(self, samples: Samples) -> Samples:
        """Return the next ``(n,)`` float32 samples at 16 kHz, filtered; no sample is held back."""
        if not len(samples):
            return samples
        if self._offset is None:  # an offset from the start is no step
            self._offset = float(samples[0])
        filtered = samples.astype(np.float64) - self._offset
        for section in self._sections:
            filtered = section(filtered)
        return filtered.astype(np.float32)


class _Section:
    """Two poles and two zeros, with what they remember of the sound before."""

    def __init__(self, quality: float) -> None:
        angle = 2 * pi * CUTOFF_HZ / SAMPLE_RATE
        alpha = sin(angle) / (2 * quality)
        self._gain = (1 + cos(angle)) / 2 / (1 + alpha)
        self._feedback = np.array([-2 * cos(angle), 1 - alpha]) / (1 + alpha)
        self._heard = np.zeros(2)
        self._told = np.zeros(2)

    def __call__(self, samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        heard = np.concatenate([self._heard, samples])
        forward = self._gain * (heard[2:] - 2 * heard[1:-1] + heard[:-2])
        one, two = self._feedback
        before = self._told
        forward[0] -= one * before[1] + two * before[0]
        forward[1:2] -= two * before[1]
        poles = torch.tensor([1.0, one, two], dtype=torch.float64)
        through = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        told: npt.NDArray[np.float64] = lfilter(torch.from_numpy(forward), poles, through, clamp=False).numpy()
        self._heard, self._told = heard[-2:], np.concatenate([before, told])[-2:]
        return told
