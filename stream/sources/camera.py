"""A camera of this machine, read with OpenCV."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, Final

import cv2
import numpy as np

from stream.media import Media, VideoFrame
from stream.sources.base import LiveClock, Source
from stream.sources.media_queue import Bounds
from stream.sources.pace import FrameLimiter
from wire.backoff import Backoff, Retry

CAMERA_RETRY: Final = Retry(first_s=0.5, longest_s=4.0, attempts=5)


class CameraSource(Source):
    """The frames of a camera, by index (``0``) or device path (``/dev/video0``), at most ``max_fps`` a second.

    A camera that stops giving frames is opened again a few times, then given up (``camera.lost``). ``clock`` is
    shared with the microphone that belongs to it.
    """

    kind: ClassVar[str] = "camera"

    def __init__(
        self,
        device: int | str = 0,
        *,
        max_fps: float = 10.0,
        clock: LiveClock | None = None,
        retry: Retry = CAMERA_RETRY,
    ) -> None:
        super().__init__(f"camera {device}", live=True, bounds=Bounds(video_frames=max(1, round(2 * max_fps))))
        self._device = int(device) if isinstance(device, str) and device.isdecimal() else device
        self._max_fps = max_fps
        self._clock = clock or LiveClock()
        self._backoff = Backoff(retry)
        self._given = 0

    def _media(self) -> Generator[Media]:
        while True:
            before = self._given
            yield from self._connection()
            if self._given > before:
                self._backoff.reset()
            delay_s = self._delay_s()
            yield self._status("reconnecting", "reconnecting", f"{self.name} gives no frames; opening it again")
            if self._stopping.wait(delay_s):
                return

    def _connection(self) -> Generator[Media]:
        """Yield frames until there are no more; nothing when the camera can't be opened or gives none."""
        limiter = FrameLimiter(self._max_fps)
        with _opened(self._device) as capture:
            while not self._stopping.is_set() and capture.grab():
                time_ms = self._clock.stamp()
                # Retrieving is what costs: decoding and the conversion to RGB.
                if limiter.keep(time_ms):
                    good, image = capture.retrieve()
                    if not good or not image.size:
                        return
                    yield from self._frame(time_ms, image)

    def _frame(self, time_ms: float, image: cv2.typing.MatLike) -> Generator[Media]:
        if not self._given:
            yield self._opened(f"{self.name}: {image.shape[1]}x{image.shape[0]}", has_sound=False)
        self._given += 1
        yield VideoFrame(time_ms, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8))

    def _delay_s(self) -> float:
        if not self._given:
            self._fail("not_found", self._not_found())
        delay_s = self._backoff.next_s()
        if delay_s is None:
            self._fail("lost", self._lost())
        return delay_s

    def _lost(self) -> str:
        return f"{self.name} gives no more frames; check its plug, and whether another program has taken it"

    def _not_found(self) -> str:
        advice = "check that it is plugged in, that no other program uses it, and its number or path"
        rights = " and that you may read /dev/video* (group video)" if sys.platform == "linux" else ""
        return f"{self.name} can't be opened or gives no frames; {advice}{rights}"


@contextmanager
def _opened(device: int | str) -> Generator[cv2.VideoCapture]:
    """Open ``device``, keeping as few old frames in the driver as it allows; check ``grab`` for success."""
    # OpenCV writes to standard error about a camera that isn't there; the status says it.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(device)
    try:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield capture
    finally:
        capture.release()
