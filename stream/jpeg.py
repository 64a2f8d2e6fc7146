"""Frames that come as JPEG: what is wrong with one shows in its bytes, and it is decoded only to be looked at."""

import io
import warnings
from functools import cache
from typing import Final, Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from stream.media import Image, VideoFrame

PREVIEW_WIDTH: Final = 640
PREVIEW_QUALITY: Final = 80
MAX_PIXELS: Final = 4096 * 4096
MAX_DECODED: Final = 16 * MAX_PIXELS  # pixels times scans: a progressive frame is gone over once for each scan
COARSE_FROM: Final = 640
SCAN: Final = b"\xff\xda"
END: Final = b"\xff\xd9"

Fault = Literal["bad", "costly"]


class JpegFrame(VideoFrame):
    """A frame that is decoded when its image is first asked for, and not if it never is."""

    def __init__(self, time_ms: float, jpeg: bytes, arrived_s: float | None = None) -> None:
        object.__setattr__(self, "time_ms", time_ms)
        object.__setattr__(self, "arrived_s", arrived_s)
        self.jpeg: Final = jpeg
        self._decoded: Image | None = None

    @property
    def image(self) -> Image:
        """Return ``(height, width, 3)`` uint8 RGB.

        Raises:
            ValueError: it can't be decoded.
        """
        if self._decoded is None:
            self._decoded = _required(decode_jpeg(self.jpeg))
        return self._decoded

    @property
    def coarse(self) -> Image:
        """Return the same, half as wide and high where it is large; it is decoded each time it is asked for.

        Raises:
            ValueError: it can't be decoded.
        """
        return _required(decode_jpeg(self.jpeg, coarse=True))

    @property
    def weight(self) -> int:
        """Return the bytes it takes while it waits."""
        return len(self.jpeg)


def decode_jpeg(data: bytes, *, coarse: bool = False) -> Image | None:
    """Return ``(height, width, 3)`` RGB, upright as its EXIF says, or None if it is no whole JPEG, or too costly.

    Args:
        data: the JPEG.
        coarse: half as wide and high where it is at least :data:`COARSE_FROM` wide, for a sixth of the time.
    """
    try:
        with _opened(data) as frame:
            if _exceeds(frame, data):
                return None
            if coarse and frame.width >= COARSE_FROM:
                frame.draft("RGB", (frame.width // 2, frame.height // 2))
            return np.asarray(_upright(frame).convert("RGB"))
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds on hostile bytes
        return None


def _required(image: Image | None) -> Image:
    if image is None:
        message = "it is no JPEG that can be decoded"
        raise ValueError(message)
    return image


def encode_jpeg(image: Image, quality: int, max_width: int | None = None) -> bytes:
    """Return an ``(height, width, 3)`` RGB frame as JPEG, shrunk where it is wider than ``max_width``."""
    frame = Pillow.fromarray(image)
    if max_width is not None and frame.width > max_width:
        height = max(1, round(frame.height * max_width / frame.width))
        frame = frame.resize((max_width, height), Pillow.Resampling.BOX, reducing_gap=1.0)  # whole steps are cheap
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=quality)
    return file.getvalue()


def encode_preview(image: Image) -> bytes:
    """Return an ``(height, width, 3)`` RGB frame as the small JPEG that is sent: :data:`PREVIEW_WIDTH` wide at most."""
    return encode_jpeg(image, PREVIEW_QUALITY, PREVIEW_WIDTH)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return the width and height of a JPEG without :func:`fault_of`, as it is stored."""
    with _opened(data) as frame:
        return frame.size


def fault_of(data: bytes) -> Fault | None:
    """Return what is wrong with a frame, as far as it shows without decoding it.

    ``bad``: it is no JPEG with a header and an end. ``costly``: to decode it takes too much.
    """
    try:
        with _opened(data) as frame:
            costly = _exceeds(frame, data)
    except Pillow.DecompressionBombError:
        return "costly"
    except Exception:  # noqa: BLE001 - as above
        return "bad"
    if costly:
        return "costly"
    return None if data.rfind(END) > data.rfind(SCAN) >= 0 else "bad"


def _opened(data: bytes) -> Pillow.Image:
    _expect_warnings()
    return Pillow.open(io.BytesIO(data), formats=("JPEG",))


@cache
def _expect_warnings() -> None:
    """Ignore what Pillow warns of, from the first frame on: to do so for a frame alone is not for several threads."""
    # There is a limit of ours below Pillow's, and who exceeds it is told.
    warnings.filterwarnings("ignore", category=Pillow.DecompressionBombWarning)
    warnings.filterwarnings("ignore", message="Corrupt EXIF data")  # how a frame lies is all that is read of it


def _upright(frame: Pillow.Image) -> Pillow.Image:
    """Return a frame turned and mirrored as browsers show it; as it is where its EXIF is broken."""
    try:
        return ImageOps.exif_transpose(frame)
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds on hostile bytes
        return frame


def _exceeds(frame: Pillow.Image, data: bytes) -> bool:
    """Return whether a frame is too costly: known from its header and bytes, before anything is decoded.

    One that is a few bytes may claim to be huge, and one of modest size may have thousands of scans.
    """
    pixels = frame.width * frame.height
    return pixels > MAX_PIXELS or pixels * data.count(SCAN) > MAX_DECODED
