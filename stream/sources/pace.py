"""Giving recorded media out at its own speed."""

import threading
import time
from collections.abc import Generator, Iterable
from typing import Final

from stream.media import AudioChunk, Media, SourceStatus

LONGEST_PAUSE_S: Final = 60.0


class FrameLimiter:
    """Lets at most ``max_fps`` frames of each second of media time through, evenly spaced."""

    def __init__(self, max_fps: float) -> None:
        self._interval_ms = 1000 / max_fps
        self._due_ms: float | None = None

    def keep(self, time_ms: float) -> bool:
        """Return whether the frame at ``time_ms`` is wanted; times come in order."""
        if self._due_ms is None:
            self._due_ms = time_ms
        # Time stamps are rounded to milliseconds in many containers.
        if time_ms < self._due_ms - 1:
            return False
        # Counted from when this one was due, so that the rate is kept; after a gap from now, so that no burst follows.
        late = time_ms - self._due_ms >= self._interval_ms
        self._due_ms = (time_ms if late else self._due_ms) + self._interval_ms
        return True


def paced(media: Iterable[Media], stopping: threading.Event) -> Generator[Media]:
    """Yield each item when its time has come, as a device would: sound at its last sample; ends when ``stopping``.

    A pause in the media is waited for, but none for longer than :data:`LONGEST_PAUSE_S`.
    """
    offset_s: float | None = None
    reached_s = 0.0
    for item in media:
        if not isinstance(item, SourceStatus):
            due_s = (item.end_ms if isinstance(item, AudioChunk) else item.time_ms) / 1000
            if offset_s is None:
                offset_s, reached_s = time.monotonic() - item.time_ms / 1000, due_s
            offset_s -= max(0.0, due_s - reached_s - LONGEST_PAUSE_S)
            reached_s = max(reached_s, due_s)
            if stopping.wait(max(0.0, offset_s + due_s - time.monotonic())):
                return
        yield item
