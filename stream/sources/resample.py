"""Any sound to 16 kHz mono float32."""

from collections.abc import Iterator

import av
import numpy as np

from stream.media import SAMPLE_RATE, Samples


class Resampler:
    """Mixes all channels and resamples; the format may change from frame to frame."""

    def __init__(self) -> None:
        self._format: tuple[str, str, int] | None = None
        self._resampler = _new_resampler()

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return ``(n,)`` samples in [-1, 1]: what ``frame`` completes."""
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        tail = self.flush() if self._format not in {None, given} else _joined([])
        self._format = given
        # The time is kept by who calls; stamps that jump must not make the resampler fill or refuse.
        frame.pts = None
        return np.concatenate([tail, _joined(self._resampler.resample(frame))])

    def flush(self) -> Samples:
        """Return the last samples and begin anew."""
        tail = _joined(self._resampler.resample(None)) if self._format else _joined([])
        self._resampler, self._format = _new_resampler(), None
        return tail


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _joined(frames: list[av.AudioFrame]) -> Samples:
    pieces = list(_finite(frames))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _finite(frames: list[av.AudioFrame]) -> Iterator[Samples]:
    """Yield the frames' samples; float formats may hold anything."""
    for frame in frames:
        samples = frame.to_ndarray()[0].astype(np.float32)
        yield np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)
