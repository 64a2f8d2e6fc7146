"""Putting sound and frames that are stored apart into the order of their media time."""

import heapq
from collections.abc import Generator, Iterable
from typing import Final

from stream.media import AudioChunk, Media, SourceStatus, VideoFrame

MAX_FRAMES: Final = 10
MAX_AHEAD_MS: Final = 5_000.0


class Interleaver:
    """Holds media back until the other stream has got there, within bounds: frames are big."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, AudioChunk | VideoFrame]] = []
        self._reached: dict[type[AudioChunk | VideoFrame], float] = {AudioChunk: 0.0, VideoFrame: 0.0}
        self._pushed = 0
        self._frames = 0

    def push(self, item: AudioChunk | VideoFrame) -> Generator[AudioChunk | VideoFrame]:
        """Add ``item`` and yield what can go."""
        heapq.heappush(self._heap, (item.time_ms, self._pushed, item))
        self._pushed += 1
        self._frames += isinstance(item, VideoFrame)
        self._reached[type(item)] = item.time_ms
        while self._heap and self._may_go():
            yield self._pop()

    def rest(self) -> Generator[AudioChunk | VideoFrame]:
        """Yield what is still held."""
        while self._heap:
            yield self._pop()

    def _may_go(self) -> bool:
        slowest, fastest = sorted(self._reached.values())
        first_ms = self._heap[0][0]
        return first_ms <= slowest or self._frames > MAX_FRAMES or fastest - first_ms > MAX_AHEAD_MS

    def _pop(self) -> AudioChunk | VideoFrame:
        item = heapq.heappop(self._heap)[2]
        self._frames -= isinstance(item, VideoFrame)
        return item


def interleave(media: Iterable[Media]) -> Generator[Media]:
    """Yield ``media`` with sound and frames in the order of their times; statuses pass at once."""
    interleaver = Interleaver()
    for item in media:
        if isinstance(item, SourceStatus):
            yield item
        else:
            yield from interleaver.push(item)
    yield from interleaver.rest()
