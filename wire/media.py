"""Binary messages: sound and frames behind a header of 8 bytes; pure."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from wire.errors import ErrorCode, ProtocolError
from wire.pcm import from_pcm

MEDIA_VERSION: Final = 1
HEADER: Final = struct.Struct("<BBHI")
MAX_SESSION_NUMBER: Final = 0xFFFF
MAX_TIME_MS: Final = 0xFFFF_FFFF


class MediaKind(IntEnum):
    """The first byte of a binary message."""

    PCM_S16 = 1
    PCM_F32 = 2
    JPEG = 3


SAMPLE_TYPES: Final[Mapping[MediaKind, np.dtype[np.generic]]] = {
    MediaKind.PCM_S16: np.dtype("<i2"),
    MediaKind.PCM_F32: np.dtype("<f4"),
}


@dataclass(frozen=True, slots=True)
class MediaMessage:
    """One binary message; ``number`` is the session's on the way out and ignored on the way in."""

    kind: MediaKind
    time_ms: int
    payload: bytes
    number: int = 0


def encode_media(message: MediaMessage) -> bytes:
    """Return the binary message: the 8-byte header and the payload."""
    return HEADER.pack(message.kind, MEDIA_VERSION, message.number, message.time_ms) + message.payload


def decode_media(data: bytes) -> MediaMessage:
    """Return the parts of a binary message; raise :class:`ProtocolError` when its header makes no sense."""
    if len(data) < HEADER.size:
        raise ProtocolError(ErrorCode.MEDIA_HEADER, f"a binary message starts with {HEADER.size} bytes of header")
    kind, version, number, time_ms = HEADER.unpack_from(data)
    if version != MEDIA_VERSION:
        raise ProtocolError(ErrorCode.MEDIA_VERSION, f"header version {version} is not known; send {MEDIA_VERSION}")
    if kind not in set(MediaKind):
        raise ProtocolError(ErrorCode.MEDIA_KIND, f"media kind {kind} is not known; send 1 (s16), 2 (f32) or 3 (JPEG)")
    return MediaMessage(MediaKind(kind), time_ms, data[HEADER.size :], number)


def decode_samples(message: MediaMessage) -> npt.NDArray[np.float32]:
    """Return the sound of a PCM message as ``(n,)`` float32 in [-1, 1]; louder samples are clipped."""
    sample_type = SAMPLE_TYPES[message.kind]
    if not message.payload:
        raise ProtocolError(ErrorCode.MEDIA_EMPTY, "the message has a header but no samples")
    if len(message.payload) % sample_type.itemsize:
        raise ProtocolError(ErrorCode.MEDIA_LENGTH, f"the payload must be a multiple of {sample_type.itemsize} bytes")
    if message.kind is MediaKind.PCM_S16:
        return from_pcm(message.payload)
    samples = np.frombuffer(message.payload, sample_type).astype(np.float32)
    if not np.isfinite(samples).all():
        raise ProtocolError(ErrorCode.MEDIA_NOT_FINITE, "the samples hold NaN or infinity")
    return np.clip(samples, -1, 1)
