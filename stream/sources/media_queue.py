"""The bounded queue between a source's thread and its reader; statuses are never lost.

:class:`Backlog` is the bookkeeping, without a thread in it; :class:`MediaQueue` puts a lock around it.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

from stream.media import SAMPLES_PER_MS, AudioChunk, DropCounts, Media, SourceStatus, VideoFrame

MAX_CHUNKS: Final = 10_000


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame still compressed."""

    time_ms: float
    data: bytes
    arrived_s: float


Queued = Media | EncodedFrame
Item = TypeVar("Item", Media, Queued)
Kind = Literal["audio", "video", "status"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: milliseconds of sound, frames, and bytes of frames.

    A single item above its bound is still taken when nothing of its kind waits.
    """

    audio_ms: int = 10_000
    video_frames: int = 20
    video_bytes: int = 64_000_000


def weigh(item: Queued) -> tuple[Kind, int]:
    """Return the kind of ``item`` and its weight: samples for sound, bytes for frames."""
    if isinstance(item, AudioChunk):
        return "audio", len(item.samples)
    if isinstance(item, VideoFrame):
        return "video", item.weight
    if isinstance(item, EncodedFrame):
        return "video", len(item.data)
    return "status", 0


@dataclass(slots=True)
class _Lane(Generic[Item]):
    """The waiting items of one kind, each with its place in the common order and its weight."""

    max_items: float
    max_weight: float
    entries: deque[tuple[int, int, Item]] = field(default_factory=deque)
    weight: int = 0

    def has_room(self, weight: int) -> bool:
        fits = len(self.entries) < self.max_items and self.weight + weight <= self.max_weight
        return fits or not self.entries

    def push(self, place: int, weight: int, item: Item) -> None:
        self.entries.append((place, weight, item))
        self.weight += weight

    def pop(self) -> Item:
        _, weight, item = self.entries.popleft()
        self.weight -= weight
        return item


class Backlog(Generic[Item]):
    """What waits, bounded for each kind, taken out in the order it was put in."""

    def __init__(self, bounds: Bounds) -> None:
        self._lanes: dict[Kind, _Lane[Item]] = {
            "audio": _Lane(MAX_CHUNKS, bounds.audio_ms * SAMPLES_PER_MS),
            "video": _Lane(bounds.video_frames, bounds.video_bytes),
            "status": _Lane(float("inf"), float("inf")),
        }
        self._next_place = 0

    def has_room(self, item: Item) -> bool:
        """Return whether ``item`` fits without dropping anything."""
        kind, weight = weigh(item)
        return self._lanes[kind].has_room(weight)

    def drop_oldest(self, item: Item) -> Kind:
        """Throw the oldest of ``item``'s kind away and return that kind."""
        kind, _ = weigh(item)
        self._lanes[kind].pop()
        return kind

    def push(self, item: Item) -> None:
        """Add ``item`` behind everything else."""
        kind, weight = weigh(item)
        self._lanes[kind].push(self._next_place, weight, item)
        self._next_place += 1

    def pop(self) -> Item | None:
        """Return the oldest of all kinds, or None when nothing waits."""
        waiting = [lane for lane in self._lanes.values() if lane.entries]
        return min(waiting, key=lambda lane: lane.entries[0][0]).pop() if waiting else None

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())


class MediaQueue(Generic[Item]):
    """A :class:`Backlog` between threads.

    ``live``: a full queue drops the oldest of the kind that comes and counts it. Otherwise ``put`` waits for room.
    """

    def __init__(self, *, live: bool, bounds: Bounds | None = None) -> None:
        self._live = live
        self._backlog: Backlog[Item] = Backlog(bounds or Bounds())
        # Re-entrant, because a signal handler may call stop() while its own thread is inside.
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self._finished = False
        self._dropped = DropCounts()

    @property
    def dropped(self) -> DropCounts:
        """Return what was dropped so far."""
        return self._dropped

    def put(self, item: Item) -> bool:
        """Add ``item``; return False when it was refused.

        Media is refused once the queue is closed, everything once a final status is in.
        """
        with self._changed:
            if isinstance(item, SourceStatus):
                return self._put_status(item)
            if self._live:
                self._make_room(item)
            else:
                self._changed.wait_for(lambda: self._over or self._backlog.has_room(item))
            if self._over:
                return False
            self._add(item)
            return True

    def get(self, timeout: float | None = None) -> Item | None:
        """Return the oldest item, waiting up to ``timeout`` seconds; None at time-out and after the final status."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._backlog) or self._finished, timeout)
            item = self._backlog.pop()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Refuse media from now on, also what waits for room; what is in can be read, and a status added."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def _over(self) -> bool:
        return self._closed or self._finished

    def _put_status(self, status: SourceStatus) -> bool:
        if self._finished:
            return False
        self._finished = status.final
        self._add(status)
        return True

    def _add(self, item: Item) -> None:
        self._backlog.push(item)
        self._changed.notify_all()

    def _make_room(self, item: Item) -> None:
        if self._over:
            return
        while not self._backlog.has_room(item):
            self._count(self._backlog.drop_oldest(item))

    def _count(self, kind: Kind) -> None:
        counts = self._dropped
        if kind == "audio":
            self._dropped = DropCounts(counts.audio_chunks + 1, counts.video_frames)
        else:
            self._dropped = DropCounts(counts.audio_chunks, counts.video_frames + 1)
