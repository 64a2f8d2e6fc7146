"""The form in which media is recorded, and in which a recorded session analyzes it: nothing is lost between the two."""

from typing import Final

from stream.jpeg import JpegFrame, encode_jpeg
from stream.media import VideoFrame

JPEG_QUALITY: Final = 90


class NumberedFrame(JpegFrame):
    """A frame of a recording, and which one of its session it is, from 0."""

    def __init__(self, time_ms: float, jpeg: bytes, number: int) -> None:
        super().__init__(time_ms, jpeg)
        self.number: Final = number


def as_jpeg(frame: VideoFrame) -> bytes:
    """Return a frame as JPEG: as it came, or encoded once."""
    return frame.jpeg if isinstance(frame, JpegFrame) else encode_jpeg(frame.image, JPEG_QUALITY)
