"""The form in which media is recorded, and in which a recorded session analyzes it: nothing is lost between the two."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as Pillow

from stream.media import Image, Samples, VideoFrame
from stream.sources.remote import decode_jpeg

JPEG_QUALITY: Final = 90
_FULL_SCALE: Final = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class NumberedFrame(VideoFrame):
    """A picture of a recording, and which one of its session it is, from 0."""

    number: int = 0


def to_pcm(samples: Samples) -> bytes:
    """Return ``(n,)`` float32 in [-1, 1] as little-endian 16-bit samples; those of such samples come back exactly."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    data: bytes = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
    return data


def from_pcm(data: bytes) -> Samples:
    """Return little-endian 16-bit samples as ``(n,)`` float32 in [-1, 1)."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def as_jpeg(frame: VideoFrame) -> tuple[bytes, Image]:
    """Return a picture as JPEG, and as it looks when that is decoded: as it came, or encoded once."""
    if frame.jpeg is not None:
        return frame.jpeg, frame.image
    file = io.BytesIO()
    Pillow.fromarray(frame.image).save(file, "JPEG", quality=JPEG_QUALITY)
    data = file.getvalue()
    return data, decoded(data)


def decoded(data: bytes) -> Image:
    """Return a recorded picture ``(height, width, 3)`` RGB.

    Raises:
        ValueError: it is no JPEG.
    """
    image = decode_jpeg(data)
    if image is None:
        message = "a picture of the recording can't be decoded"
        raise ValueError(message)
    return image
