"""What waits for one watcher: bounded, and it is decided here what is dropped; pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wire import events
from wire.events import Event, Published
from wire.media import MediaKind

WAITING_PREVIEWS: Final = {MediaKind.JPEG: 2, MediaKind.PCM_S16: 20}  # a missing piece of sound is heard
REPORT_INTERVAL_S: Final = 1.0
FINAL: Final = 5


def expendability(event: Event) -> int:
    """Return how late an event is dropped: 0 first, :data:`FINAL` last."""
    match event:
        case events.TranscriptPartial() | events.Emotion(speaking=True):
            return 0
        case events.Faces():
            return 1
        case events.SpeechStarted():
            return 2
        case events.Emotion(final=False):
            return 3
        case events.Emotion() | events.RoomState() | events.SessionCreated() | events.SessionClosed():
            return FINAL
        case _:
            return FINAL if isinstance(event, events.Error) and event.fatal else FINAL - 1


@dataclass(slots=True)
class Dropped:
    """What a watcher did not get because it read too slowly."""

    events: int = 0
    previews: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(self.events + other.events, self.previews + other.previews)


class WatcherQueue:
    """What waits for one watcher: bounded, the most expendable dropped first; times are seconds of any clock."""

    def __init__(self, capacity: int, patience_s: float) -> None:
        self.dropped = Dropped()
        self._capacity = capacity
        self._patience_s = patience_s
        self._backlog: deque[str] = deque()
        self._events: deque[Published] = deque()
        self._previews: deque[tuple[tuple[int, MediaKind], bytes]] = deque()
        self._full_since: float | None = None
        self._reported = 0
        self._reported_at = float("-inf")

    def __len__(self) -> int:
        return len(self._backlog) + len(self._events) + len(self._previews)

    def replay(self, published: Iterable[Published]) -> None:
        """Put the history before everything else; it is bounded already and doesn't count against the capacity."""
        self._backlog.extend(item.text for item in published)

    def offer(self, published: Published, now: float) -> None:
        """Add an event; when the queue is full the oldest of the most expendable kind is dropped."""
        self._events.append(published)
        if len(self._events) > self._capacity:
            self._drop_one()
            self._full_since = now if self._full_since is None else self._full_since

    def offer_preview(self, number: int, kind: MediaKind, data: bytes) -> None:
        """Add a frame or sound; of one session at most :data:`WAITING_PREVIEWS` of its kind wait, the newest."""
        key = (number, kind)
        waiting = [index for index, (other, _) in enumerate(self._previews) if other == key]
        if len(waiting) >= WAITING_PREVIEWS[kind]:
            del self._previews[waiting[0]]
            self.dropped.previews += 1
        self._previews.append((key, data))

    def take(self, now: float) -> str | bytes | None:
        """Return the next message, or None when nothing waits."""
        if self._owes_report(now):
            return self._report(now)
        if self._backlog:
            return self._backlog.popleft()
        if self._events:
            return self._take_event()
        return self._previews.popleft()[1] if self._previews else None

    def overdue(self, now: float) -> bool:
        """Return whether the watcher has been behind for longer than the patience."""
        return self._full_since is not None and now - self._full_since > self._patience_s

    def _take_event(self) -> str:
        text = self._events.popleft().text
        if len(self._events) <= self._capacity // 2:  # a queue that is merely one below full is still behind
            self._full_since = None
        return text

    def _drop_one(self) -> None:
        self.dropped.previews += len(self._previews)
        self._previews.clear()
        ranks = [expendability(item.event) for item in self._events]
        del self._events[ranks.index(min(ranks))]
        self.dropped.events += 1

    def _owes_report(self, now: float) -> bool:
        behind = self.dropped.events > self._reported
        return behind and (now - self._reported_at >= REPORT_INTERVAL_S or not (self._backlog or self._events))

    def _report(self, now: float) -> str:
        count = self.dropped.events - self._reported
        self._reported, self._reported_at = self.dropped.events, now
        message = f"{count} events were dropped: this connection reads too slowly"
        return events.Warning(code="watcher.dropped", message=message).model_dump_json()
