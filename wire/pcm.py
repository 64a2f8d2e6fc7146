"""Sound as 16-bit samples, the only scale there is: on the wire, in recordings, in caches; pure."""

from typing import Final

import numpy as np
import numpy.typing as npt

FULL_SCALE: Final = 32_768


def to_int16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return ``(n,)`` float32 in [-1, 1] as ``(n,)`` 16-bit samples; those of such samples come back exactly."""
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1), np.int16)


def from_int16(values: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return ``(n,)`` 16-bit samples as ``(n,)`` float32 in [-1, 1)."""
    return values.astype(np.float32) / np.float32(FULL_SCALE)


def to_pcm(samples: npt.NDArray[np.float32]) -> bytes:
    """Return ``(n,)`` float32 in [-1, 1] as little-endian 16-bit samples."""
    return to_int16(samples).astype("<i2").tobytes()


def from_pcm(data: bytes) -> npt.NDArray[np.float32]:
    """Return little-endian 16-bit samples as ``(n,)`` float32 in [-1, 1)."""
    return from_int16(np.frombuffer(data, "<i2"))
