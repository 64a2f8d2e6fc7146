"""The bounded queue between a source's thread and its reader; statuses are never lost.

:class:`Backlog` is the bookkeeping, without a thread in it; :class:`MediaQueue` puts a lock around it.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from stream.media import SAMPLES_PER_MS, AudioChunk, DropCounts, Media, SourceStatus, VideoFrame

MAX_CHUNKS: Final = 10_000

Kind = Literal["audio", "video", "status"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: milliseconds of sound, frames, and bytes of frames.

    A single item above its bound is still taken when nothing of its kind waits.
    """

    audio_ms: int = 10_000
    video_frames: int = 20
    video_bytes: int = 64_000_000


def weigh(item: Media) -> tuple[Kind, int]:
    """Return the kind of ``item`` and its weight: samples for sound, bytes for frames."""
    if isinstance(item, AudioChunk):
        return "audio", len(item.samples)
    if isinstance(item, VideoFrame):
        return "video", item.weight
    return "status", 0


@dataclass(slots=True)
class _Lane:
    """The waiting items of one kind, each with its place in the common order and its weight."""

    max_items: float
    max_weight: float
    entries: deque[tuple[int, int, Media]] = field(default_factory=deque)
    weight: int = 0

    def has_room(self, weight: int) -> bool:
        fits = len(self.entries) < self.max_items and self.weight + weight <= self.max_weight
        return fits or not self.entries

    def push(self, place: int, weight: int, item: Media) -> None:
        self.entries.append((place, weight, item))
        self.weight += weight

    def pop(self) -> Media:
        _, weight, item = self.entries.popleft()
        self.weight -= weight
        return item


class Backlog:
    """What waits, bounded for each kind, taken out in the order it was put in."""

    def __init__(self, bounds: Bounds) -> None:
        self._lanes: dict[Kind, _Lane] = {
            "audio": _Lane(MAX_CHUNKS, bounds.audio_ms * SAMPLES_PER_MS),
            "video": _Lane(bounds.video_frames, bounds.video_bytes),
            "status": _Lane(float("inf"), float("inf")),
        }
        self._next_place = 0

    def has_room(self, item: Media) -> bool:
        """Return whether ``item`` fits without dropping anything."""
        kind, weight = weigh(item)
        return self._lanes[kind].has_room(weight)

    def drop_oldest(self, item: Media) -> Kind:
        """Throw the oldest of ``item``'s kind away and return that kind."""
        kind, _ = weigh(item)
        self._lanes[kind].pop()
        return kind

    def push(self, item: Media) -> None:
        """Add ``item`` behind everything else."""
        kind, weight = weigh(item)
        self._lanes[kind].push(self._next_place, weight, item)
        self._next_place += 1

    def pop(self) -> Media | None:
        """Return the oldest of all kinds, or None when nothing waits."""
        waiting = [lane for lane in self._lanes.values() if lane.entries]
        return min(waiting, key=lambda lane: lane.entries[0][0]).pop() if waiting else None

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())


class MediaQueue:
    """A :class:`Backlog` between threads.

    ``live``: a full queue drops the oldest of the kind that comes and counts it. Otherwise ``put`` waits for room.
    """

    def __init__(self, *, live: bool, bounds: Bounds | None = None) -> None:
        self._live = live
        self._backlog = Backlog(bounds or Bounds())
        # Re-entrant, because a signal handler may call stop() while its own thread is inside.
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self._finished = False
        self._dropped = DropCounts()

    @property
    def dropped(self) -> DropCounts:
        """Return what was dropped so far."""
        return self._dropped

    def put(self, item: Media) -> bool:
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

    def get(self, timeout: float | None = None) -> Media | None:
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

    def _add(self, item: Media) -> None:
        self._backlog.push(item)
        self._changed.notify_all()

    def _make_room(self, item: Media) -> None:
        if self._over:
            return
        while not self._backlog.has_room(item):
            self._count(self._backlog.drop_oldest(item))

    def _count(self, kind: Kind) -> None:
        self._dropped += DropCounts(1, 0) if kind == "audio" else DropCounts(0, 1)
