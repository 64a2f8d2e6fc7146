"""A camera and a microphone of this machine together."""

from collections.abc import Generator
from dataclasses import replace
from typing import ClassVar, Final

from stream.media import DropCounts, Media, SourceStatus
from stream.sources.base import LiveClock, Source
from stream.sources.camera import CameraSource
from stream.sources.media_queue import Bounds
from stream.sources.microphone import MicrophoneSource

POLL_SECONDS: Final = 0.01


class CaptureSource(Source):
    """The frames of a camera and the sound of a microphone, timed by one clock.

    When one of them fails, the other goes on, with a warning of the same code; when both have, the capture fails.
    """

    kind: ClassVar[str] = "capture"

    def __init__(self, camera: int | str = 0, microphone: int | str = "default", *, max_fps: float = 10.0) -> None:
        clock = LiveClock()
        self._parts: list[Source] = [
            CameraSource(camera, max_fps=max_fps, clock=clock),
            MicrophoneSource(microphone, clock=clock),
        ]
        name = " and ".join(part.name for part in self._parts)
        super().__init__(name, live=True, bounds=Bounds(video_frames=max(1, round(2 * max_fps))))

    @property
    def dropped(self) -> DropCounts:
        """Return what nobody read in time."""
        return sum((part.dropped for part in self._parts), super().dropped)

    def _media(self) -> Generator[Media]:
        going, last_words = list(self._parts), []
        try:
            for part in going:
                part.start()
            while going and not self._stopping.is_set():
                for item, part in self._poll(going):
                    if isinstance(item, SourceStatus) and item.final:
                        going.remove(part)
                        last_words.append(item)
                        yield replace(item, kind="warning")
                    elif isinstance(item, SourceStatus):
                        yield replace(item, has_sound=True)  # one of the two is a microphone
                    else:
                        yield item
        finally:
            for part in self._parts:
                part.stop()
        self._fail("failed", "; ".join(status.message for status in last_words))

    def _poll(self, parts: list[Source]) -> Generator[tuple[Media, Source]]:
        """Yield what each part has; a part without anything is waited for, but briefly."""
        for part in tuple(parts):
            item = part.read(POLL_SECONDS)
            while item is not None:
                yield item, part
                item = part.read(0)
