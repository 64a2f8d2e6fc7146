"""Any sound to 16 kHz mono float32."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from models.media.downmix import Downmix

Samples = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16_000

_BLOCK: Final = 320  # samples
_AUDIBLE: Final = 1e-3  # root mean square of a block, -60 dB of full scale
_FLOATS: Final = frozenset({"flt", "dbl"})
_KINDS: Final[Mapping[str, np.dtype[Any]]] = {
    "u8": np.dtype(np.uint8),
    "s16": np.dtype(np.int16),
    "s32": np.dtype(np.int32),
    "s64": np.dtype(np.int64),
    "flt": np.dtype(np.float32),
    "dbl": np.dtype(np.float64),
}
_LOUDEST: Final = 1_000.0  # times full scale; what exceeds it is no sound


class Resampler:
    """Mixes all channels, or takes one, and resamples; the format may change from frame to frame.

    Args:
        channel: the only one to take, from 1; 0: all. Where there are fewer, all are taken.
    """

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel
        self._format: tuple[str, str, int] | None = None
        self._downmix: Downmix | None = None
        self._resampler = _new_resampler()
        self.cancelling = False
        """Whether channels have cancelled each other out so far."""

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return ``(n,)`` samples in [-1, 1]: what ``frame`` completes."""
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        tail = self.flush() if self._format not in {None, given} else _joined([])
        if self._format is None:
            whole = frame.format.name.removesuffix("p") not in _FLOATS
            self._downmix = self._new_downmix(frame.layout, frame.sample_rate, whole=whole)
        self._format = given
        return np.concatenate([tail, self._resampled(self._mono(channels_of(frame)), frame.sample_rate)])

    def flush(self) -> Samples:
        """Return the last samples and begin anew."""
        tail = _joined([])
        if self._format is not None:
            mixed = self._resampled(self._downmix.flush(), self._format[2]) if self._downmix else _joined([])
            tail = np.concatenate([mixed, _joined(self._resampler.resample(None))])
        self._resampler, self._format, self._downmix = _new_resampler(), None, None
        return tail

    def _new_downmix(self, layout: av.AudioLayout, rate: int, *, whole: bool) -> Downmix | None:
        alone = layout.nb_channels == 1 or 0 < self._channel <= layout.nb_channels
        return None if alone else Downmix(usual_mix(layout.name, layout.nb_channels, whole=whole), rate)

    def _mono(self, sound: Samples) -> Samples:
        if self._downmix is None:
            mixed: Samples = sound[self._channel - 1 if len(sound) > 1 else 0]
        else:
            mixed = self._downmix.push(sound)
            self.cancelling |= self._downmix.cancelling
        return mixed

    def _resampled(self, mono: Samples, rate: int) -> Samples:
        if not len(mono):
            return mono
        # Without stamps: the time is kept by who calls; those that jump must not make the resampler fill or refuse.
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono[None]), format="flt", layout="mono")
        frame.sample_rate = rate
        return _joined(self._resampler.resample(frame))


def is_audible(sound: Samples) -> bool:
    """Return whether there is anywhere in ``(samples,)`` more than the noise of an empty track."""
    blocks = np.pad(sound, (0, -len(sound) % _BLOCK)).reshape(-1, _BLOCK)
    return bool((blocks.var(axis=1) > _AUDIBLE**2).any())


def channels_of(frame: av.AudioFrame) -> Samples:
    """Return ``(channels, samples)`` of a frame of any format, full scale at 1; float formats may hold anything."""
    count, kind = frame.layout.nb_channels, _KINDS[frame.format.name.removesuffix("p")]
    if frame.format.is_planar:
        # Not frame.to_ndarray(): from eight channels on it takes more planes than there are.
        planes: list[Any] = list(frame.planes[:count])
        sound = np.stack([np.frombuffer(plane, kind, frame.samples) for plane in planes])
    else:
        packed: Any = frame.planes[0]
        sound = np.frombuffer(packed, kind, frame.samples * count).reshape(-1, count).T
    if kind.kind == "f":
        sound = np.clip(np.nan_to_num(sound, nan=0.0), -_LOUDEST, _LOUDEST)
    elif kind.kind == "u":
        sound = (sound.astype(np.float32) - 128) / 128
    else:
        sound = sound / 2.0 ** (8 * kind.itemsize - 1)
    return np.asarray(sound, np.float32)


@lru_cache(maxsize=64)
def usual_mix(layout: str, count: int, *, whole: bool) -> Samples:
    """Return ``(count,)``: how much of each channel FFmpeg mixes into one; of layouts it can't mix, equally much.

    ``whole``: samples are whole numbers, which it mixes so that they can't overflow.
    """
    impulses = av.AudioFrame.from_ndarray(np.eye(count, dtype=np.float32).reshape(1, -1), format="flt", layout=layout)
    impulses.sample_rate = SAMPLE_RATE
    try:
        mixed = _joined(_new_resampler().resample(impulses))
    except (av.FFmpegError, ValueError):
        mixed = _joined([])
    if len(mixed) != count:
        return np.full(count, 1 / count, np.float32)
    return mixed / np.float32(max(1.0, mixed.sum())) if whole else mixed


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _joined(frames: list[av.AudioFrame]) -> Samples:
    pieces = list(_clipped(frames))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _clipped(frames: list[av.AudioFrame]) -> Iterator[Samples]:
    """Yield the frames' samples; resampling may lead a little beyond full scale."""
    for frame in frames:
        yield np.clip(frame.to_ndarray()[0].astype(np.float32), -1, 1)
