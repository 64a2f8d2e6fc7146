"""The form in which media is recorded, and in which a recorded session analyzes it: nothing is lost between the two."""

import io
from typing import Final

import numpy as np
from PIL import Image as Pillow

from stream.jpeg import JpegFrame
from stream.media import Samples, VideoFrame

JPEG_QUALITY: Final = 90
_FULL_SCALE: Final = 32_768


class NumberedFrame(JpegFrame):
    """A frame of a recording, and which one of its session it is, from 0."""

    def __init__(self, time_ms: float, jpeg: bytes, number: int) -> None:
        super().__init__(time_ms, jpeg)
        self.number: Final = number


def to_pcm(samples: Samples) -> bytes:
    """Return ``(n,)`` float32 in [-1, 1] as little-endian 16-bit samples; those of such samples come back exactly."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    data: bytes = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
    return data


def from_pcm(data: bytes) -> Samples:
    """Return little-endian 16-bit samples as ``(n,)`` float32 in [-1, 1)."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def as_jpeg(frame: VideoFrame) -> bytes:
    """Return a frame as JPEG: as it came, or encoded once."""
    if isinstance(frame, JpegFrame):
        return frame.jpeg
    file = io.BytesIO()
    Pillow.fromarray(frame.image).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
