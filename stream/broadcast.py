"""From sessions to watchers: numbering, history for who comes late, and one bounded queue per watcher.

No socket and no event loop here. Sessions publish from their own threads and never wait for a watcher; a
watcher is woken by the callable it subscribed with, and takes what waits for it one message at a time.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from stream import events
from stream.events import Event
from stream.protocol import MAX_SESSION_NUMBER, MAX_TIME_MS, MediaKind, MediaMessage, encode_media

KEPT_EMOTIONS: Final = 500
KEPT_OPEN_UTTERANCES: Final = 64
KEPT_ENDED_SESSIONS: Final = 4
WAITING_PREVIEWS: Final = {MediaKind.JPEG: 2, MediaKind.PCM_S16: 20}  # a missing piece of sound is heard
REPORT_INTERVAL_S: Final = 1.0
FINAL: Final = 5

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its session and ``seq`` set, and its JSON text, made once for all watchers."""

    event: Event
    text: str

    @classmethod
    def of(cls, event: Event) -> "Published":
        """Return ``event`` with its text."""
        return cls(event, event.model_dump_json())


def expendability(event: Event) -> int:
    """Return how late an event is dropped: 0 first, :data:`FINAL` last."""
    match event:
        case events.TranscriptPartial():
            return 0
        case events.Faces():
            return 1
        case events.SpeechStarted():
            return 2
        case events.Emotion(final=False):
            return 3
        case events.Emotion() | events.SessionCreated() | events.SessionClosed() | events.Error(fatal=True):
            return FINAL
        case _:
            return FINAL - 1


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
        """Add a picture or sound; of one session at most :data:`WAITING_PREVIEWS` of its kind wait, the newest."""
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


class SessionHistory:
    """What somebody who comes late must be told of one session; bounded."""

    def __init__(self, kept_emotions: int = KEPT_EMOTIONS) -> None:
        self._kept_emotions = kept_emotions
        self._states: dict[str, Published] = {}
        self._emotions: dict[int, Published] = {}
        self._open: dict[int, dict[str, Published]] = {}

    def add(self, published: Published) -> None:
        """Take note of an event."""
        match published.event:
            case events.SessionCreated() | events.SessionUpdated() | events.SessionClosed() as event:
                self._states[event.type] = published
            case events.SpeechStarted(utterance=utterance) | events.TranscriptPartial(utterance=utterance):
                self._show(utterance, published)
            case events.Emotion(utterance=utterance, final=False):
                self._show(utterance, published)
            case events.Emotion(utterance=utterance):
                self._conclude(utterance, published)
            case events.UtteranceResumed(utterance=utterance) if utterance in self._open:
                self._open[utterance].pop("emotion", None)
            case events.UtteranceDiscarded(utterance=utterance):
                self._open.pop(utterance, None)
            case _:
                pass

    def replay(self) -> list[Published]:
        """Return the events that tell where the session stands, in their original order."""
        open_events = (item for utterance in self._open.values() for item in utterance.values())
        kept = [*self._states.values(), *self._emotions.values(), *open_events]
        return sorted(kept, key=lambda item: item.event.seq)

    def _show(self, utterance: int, published: Published) -> None:
        if utterance in self._emotions:  # a late partial of what is already final shows nothing
            return
        self._open.setdefault(utterance, {})[published.event.type] = published
        _keep_last(self._open, KEPT_OPEN_UTTERANCES)

    def _conclude(self, utterance: int, published: Published) -> None:
        self._open.pop(utterance, None)
        self._emotions.pop(utterance, None)  # so that the newest revision is also the newest in the order
        self._emotions[utterance] = published
        _keep_last(self._emotions, self._kept_emotions)


def _keep_last(kept: dict[int, Value], count: int) -> None:
    while len(kept) > count:
        del kept[next(iter(kept))]


class Subscription:
    """One watcher's end; its methods may be called from any thread."""

    def __init__(
        self,
        queue: WatcherQueue,
        wake: Callable[[], None],
        *,
        session: str | None,
        media: frozenset[MediaKind],
        clock: Callable[[], float],
    ) -> None:
        self.session = session
        self.media = media
        self._queue = queue
        self._wake = wake
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = False

    def take(self) -> str | bytes | None:
        """Return the next message for the watcher, or None when nothing waits."""
        with self._lock:
            return self._queue.take(self._clock())

    @property
    def overdue(self) -> bool:
        """Whether the watcher has been behind for longer than the patience."""
        with self._lock:
            return self._queue.overdue(self._clock())

    @property
    def dropped(self) -> Dropped:
        """What the watcher has not got so far."""
        with self._lock:
            return self._queue.dropped + Dropped()

    @property
    def finished(self) -> bool:
        """Whether it was ended and everything was taken."""
        with self._lock:
            return self._ended and not len(self._queue)

    def follows(self, session: str) -> bool:
        """Return whether the watcher gets this session's events."""
        return self.session in {None, session}

    def offer(self, published: Published) -> None:
        """Add an event of a session, unless the subscription was ended."""
        with self._lock:
            if not self._ended:
                self._queue.offer(published, self._clock())
        self._wake()

    def offer_preview(self, number: int, kind: MediaKind, data: bytes) -> None:
        """Add a picture or sound of a session."""
        with self._lock:
            if not self._ended:
                self._queue.offer_preview(number, kind, data)
        self._wake()

    def replay(self, history: Iterable[Published]) -> None:
        """Put what was before in front of everything else."""
        with self._lock:
            self._queue.replay(history)
        self._wake()

    def tell(self, event: Event) -> None:
        """Send this watcher alone an event of the connection: of no session, without a number."""
        self.offer(Published.of(event))

    def end(self) -> None:
        """Let the watcher take what waits; nothing comes after it."""
        with self._lock:
            self._ended = True
        self._wake()


class Channel:
    """Where one session publishes; its methods may be called from any thread and never wait for a watcher."""

    def __init__(self, broadcast: "Broadcast", session: str, number: int) -> None:
        self.id = session
        self.number = number
        self.history = SessionHistory()
        self._broadcast = broadcast
        self._seq = 0

    def publish(self, event: Event) -> None:
        """Give the event the next ``seq`` and all watchers; after ``session.closed`` nothing more is published."""
        self._broadcast.publish(self, event)

    def previewed(self, kind: MediaKind) -> bool:
        """Return whether anybody wants previews of this kind of this session."""
        return bool(self._broadcast.watchers_of(self.id, kind))

    def preview(self, kind: MediaKind, time_ms: float, payload: bytes) -> None:
        """Give a picture or sound to the watchers that asked for it."""
        time_ms = min(max(int(time_ms), 0), MAX_TIME_MS)
        data = encode_media(MediaMessage(kind, time_ms, payload, self.number))
        for watcher in self._broadcast.watchers_of(self.id, kind):
            watcher.offer_preview(self.number, kind, data)

    def numbered(self, event: Event) -> Published:
        """Return the event as this session's next one."""
        self._seq += 1
        return Published.of(event.model_copy(update={"session": self.id, "seq": self._seq}))


class Broadcast:
    """All sessions on one side, all watchers on the other."""

    def __init__(self, capacity: int, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._patience_s = patience_s
        self._clock = clock
        self._lock = threading.Lock()
        self._channels: dict[str, Channel] = {}
        self._ended: deque[Channel] = deque(maxlen=KEPT_ENDED_SESSIONS)
        self._watchers: list[Subscription] = []
        self._gone = Dropped()
        self._last_number = 0

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._channels)

    @property
    def dropped(self) -> Dropped:
        """What all watchers together have not got, those included that left."""
        with self._lock:
            return sum((watcher.dropped for watcher in self._watchers), self._gone)

    def open(self) -> Channel:
        """Return the channel of a new session."""
        with self._lock:
            self._last_number = self._free_number()
            channel = Channel(self, secrets.token_hex(6), self._last_number)
            self._channels[channel.id] = channel
            return channel

    def knows(self, session: str) -> bool:
        """Return whether the session is open, or ended and still remembered."""
        with self._lock:
            return any(channel.id == session for channel in self._remembered())

    def publish(self, channel: Channel, event: Event) -> None:
        """Do :meth:`Channel.publish`: numbers, history and queues change together, so no watcher misses an event."""
        with self._lock:
            if channel.id not in self._channels:
                return
            published = channel.numbered(event)
            channel.history.add(published)
            for watcher in self._watchers:
                if watcher.follows(channel.id):
                    watcher.offer(published)
            if isinstance(event, events.SessionClosed):
                self._ended.append(self._channels.pop(channel.id))

    def subscribe(
        self, wake: Callable[[], None], *, session: str | None = None, media: frozenset[MediaKind] = frozenset()
    ) -> Subscription:
        """Return a watcher that gets the past of its sessions and then all their events."""
        queue = WatcherQueue(self._capacity, self._patience_s)
        watcher = Subscription(queue, wake, session=session, media=media, clock=self._clock)
        with self._lock:
            for channel in self._remembered():
                if watcher.follows(channel.id):
                    watcher.replay(channel.history.replay())
            self._watchers.append(watcher)
        return watcher

    def unsubscribe(self, watcher: Subscription) -> None:
        """Forget a watcher; what it did not get stays counted."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
                self._gone += watcher.dropped

    def end_watchers(self) -> None:
        """Let every watcher take what waits for it, and nothing after that."""
        with self._lock:
            for watcher in self._watchers:
                watcher.end()

    def watchers_of(self, session: str, kind: MediaKind) -> list[Subscription]:
        """Return who wants previews of this kind of this session."""
        with self._lock:
            return [watcher for watcher in self._watchers if kind in watcher.media and watcher.follows(session)]

    def _remembered(self) -> list[Channel]:
        return [*self._ended, *self._channels.values()]

    def _free_number(self) -> int:
        taken = {channel.number for channel in self._remembered()}
        number = self._last_number
        while number in taken or number == self._last_number:
            number = (number + 1) % (MAX_SESSION_NUMBER + 1)
        return number
