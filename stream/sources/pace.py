"""Giving recorded media out at its own speed."""

import threading
import time
from collections.abc import Generator, Iterable
from typing import Final

from stream.media import AudioChunk, Media, SourceStatus

LONGEST_PAUSE_S: Final = 60.0


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
