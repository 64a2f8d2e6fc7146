"""Giving recorded media out at its own speed."""

import threading
import time
from collections.abc import Generator, Iterable

from stream.media import AudioChunk, Media, SourceStatus


def paced(media: Iterable[Media], stopping: threading.Event) -> Generator[Media]:
    """Yield each item when its time has come, as a device would: sound at its last sample; ends when ``stopping``."""
    offset_s: float | None = None
    for item in media:
        if not isinstance(item, SourceStatus):
            due_s = (item.end_ms if isinstance(item, AudioChunk) else item.time_ms) / 1000
            if offset_s is None:
                offset_s = time.monotonic() - item.time_ms / 1000
            if stopping.wait(max(0.0, offset_s + due_s - time.monotonic())):
                return
        yield item
