"""What is below the voice taken out of sound: a microphone's offset, the hum of the mains, rumble.

The networks were trained on sound without an offset. One of a fifth of full scale makes a quarter of all voices
another emotion; without what lies below 80 Hz none is another.
"""

from collections.abc import Iterator
from math import cos, pi, sin
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from models.media.spectrogram import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

CUTOFF_HZ: Final = 80.0  # the lowest voices begin there
_QUALITIES: Final = (0.5412, 1.3066)  # of the two sections of a Butterworth filter of the fourth order
_FORMAT: Final = f"sample_rate={SAMPLE_RATE}:sample_fmt=dblp:channel_layout=mono:time_base=1/{SAMPLE_RATE}"


class HighPass:
    """A causal high-pass filter of one stream of sound; the same whatever the pieces in which the sound comes.

    FFmpeg filters, in float64: NumPy has nothing that computes a sample from those that were computed before it.
    """

    def __init__(self) -> None:
        self._graph = _graph()
        self._offset: float | None = None

    def __call__(self, samples: Samples) -> Samples:
        """Return the next ``(n,)`` float32 samples at 16 kHz, filtered; no sample is held back."""
        if not len(samples):
            return samples
        if self._offset is None:  # an offset from the start is no step
            self._offset = float(samples[0])
        centred = samples.astype(np.float64) - self._offset
        frame = av.AudioFrame.from_ndarray(centred[None], format="dblp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        self._graph.push(frame)
        return np.concatenate(list(self._filtered())).astype(np.float32)

    def _filtered(self) -> Iterator[npt.NDArray[np.float64]]:
        while True:
            try:
                frame = self._graph.pull()
            except av.BlockingIOError:  # it wants more before there is more
                return
            if isinstance(frame, av.AudioFrame):
                yield frame.to_ndarray()[0]


def _graph() -> Graph:
    graph = Graph()
    filters = [
        graph.add("abuffer", _FORMAT),
        *(graph.add("biquad", _section(quality)) for quality in _QUALITIES),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*filters).configure()
    return graph


def _section(quality: float) -> str:
    """Return two poles and two zeros as FFmpeg's filter takes them."""
    angle = 2 * pi * CUTOFF_HZ / SAMPLE_RATE
    alpha, gain = sin(angle) / (2 * quality), (1 + cos(angle)) / 2
    zeros, poles = (gain, -2 * gain, gain), (1 + alpha, -2 * cos(angle), 1 - alpha)
    named = {
        f"{name}{place}": value for name, values in (("b", zeros), ("a", poles)) for place, value in enumerate(values)
    }
    return ":".join([*(f"{name}={value!r}" for name, value in named.items()), "precision=f64", "a=di"])
