"""From sessions to watchers: rooms, numbering, history for who comes late, and one bounded queue per watcher.

No socket and no event loop here. Sessions publish from their own threads and never wait for a watcher; a
watcher is woken by the callable it subscribed with, and takes what waits for it one message at a time.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from serving.rooms.topic import Resume, Topic
from serving.rooms.watcher_queue import Dropped, WatcherQueue
from stream.recording.record import Record
from wire import events
from wire.events import Event, Published
from wire.media import MAX_SESSION_NUMBER, MAX_TIME_MS, MediaKind, MediaMessage, encode_media

KEPT_ENDED_SESSIONS: Final = 4


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """What a watcher follows: everything, one room or one session; ``media`` are the previews it wants.

    Attributes:
        own: the session it is itself the participant of, whose frames it does not want back.
        key: that participant's secret, which is told to it.
    """

    room: str | None = None
    session: str | None = None
    media: frozenset[MediaKind] = frozenset()
    own: str = ""
    key: str = ""

    def includes(self, room: str, session: str) -> bool:
        """Return whether it follows the events of a session in a room."""
        return self.room in {None, room} and self.session in {None, session}


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of a room or session: the events that tell its dialog, and how many utterances are not."""

    events: Sequence[Event]
    forgotten: int


class Subscription:
    """One watcher's end; its methods may be called from any thread."""

    def __init__(
        self, queue: WatcherQueue, wake: Callable[[], None], interest: SubscriptionFilter, clock: Callable[[], float]
    ) -> None:
        self.interest = interest
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
    def waiting(self) -> int:
        """How many messages wait to be taken."""
        with self._lock:
            return len(self._queue)

    @property
    def finished(self) -> bool:
        """Whether it was ended and everything was taken."""
        with self._lock:
            return self._ended and not len(self._queue)

    def offer(self, published: Published) -> None:
        """Add an event of a session, unless the subscription was ended."""
        with self._lock:
            if not self._ended:
                self._queue.offer(published, self._clock())
        self._wake()

    def offer_preview(self, number: int, kind: MediaKind, data: bytes) -> None:
        """Add a frame or sound of a session."""
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
        """Send this watcher alone an event of the connection, without a number."""
        self.offer(Published.of(event))

    def end(self) -> None:
        """Let the watcher take what waits; nothing comes after it."""
        with self._lock:
            self._ended = True
        self._wake()


class Channel:
    """Where one session publishes; its methods may be called from any thread and never wait for a watcher."""

    def __init__(self, broadcast: "Broadcast", topic: Topic, session: str, number: int) -> None:
        self.id = session
        self.number = number
        self.topic = topic
        self._broadcast = broadcast

    def publish(self, event: Event) -> None:
        """Give the event the next ``seq`` and all watchers; after ``session.closed`` nothing more is published."""
        self._broadcast.publish(self, event)

    def previewed(self, kind: MediaKind) -> bool:
        """Return whether anybody wants previews of this kind of this session."""
        return bool(self._broadcast.watchers_of(self, kind))

    def preview(self, kind: MediaKind, time_ms: float, payload: bytes) -> None:
        """Give a frame or sound to the watchers that asked for it."""
        watchers = self._broadcast.watchers_of(self, kind)
        if not watchers:
            return
        time_ms = min(max(int(time_ms), 0), MAX_TIME_MS)
        data = encode_media(MediaMessage(kind, time_ms, payload, self.number))
        for watcher in watchers:
            watcher.offer_preview(self.number, kind, data)


class Broadcast:
    """All sessions on one side, all watchers on the other.

    Args:
        capacity: events that wait for a watcher.
        patience_s: how long one may stay behind.
        kept: events of a room that one who comes back can be given one by one.
        observe: called with every event that was published, in the thread of who published it.
        record: begins to record a new room, by its name, or with an empty one a session in none.
    """

    def __init__(
        self,
        capacity: int,
        patience_s: float,
        kept: int = 0,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[Event], None] | None = None,
        record: Callable[[str], Record] | None = None,
    ) -> None:
        self._capacity = capacity
        self._patience_s = patience_s
        self._kept = kept
        self._clock = clock
        self._observe = observe
        self._record = record
        self._lock = threading.Lock()
        self._rooms: dict[str, Topic] = {}
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

    @property
    def open_channels(self) -> list[Channel]:
        """The sessions that are open."""
        with self._lock:
            return list(self._channels.values())

    @property
    def backlogs(self) -> list[int]:
        """How many messages wait for each connection."""
        with self._lock:
            return [watcher.waiting for watcher in self._watchers]

    def open_room(self, name: str) -> Topic:
        """Return the topic of a new room; who waited for it is told."""
        with self._lock:
            self._rooms[name] = topic = self._topic(name, self._kept)
            state = Published.of(topic.state(resumed=False))
            for watcher in self._watchers:
                if watcher.interest.room == name:
                    watcher.offer(state)
            return topic

    def close_room(self, name: str) -> None:
        """Forget a room in which nobody is any more."""
        with self._lock:
            topic = self._rooms.pop(name, None)
            if topic is not None and topic.record is not None:
                topic.record.end()

    def room(self, name: str) -> Topic | None:
        """Return the topic of a room that is open."""
        with self._lock:
            return self._rooms.get(name)

    def open(self, topic: Topic | None = None) -> Channel:
        """Return the channel of a new session: in a room, or without a topic in none."""
        with self._lock:
            self._last_number = self._free_number()
            own = self._topic() if topic is None else topic
            channel = Channel(self, own, secrets.token_hex(6), self._last_number)
            self._channels[channel.id] = channel
            return channel

    def knows(self, session: str) -> bool:
        """Return whether the session is open, or ended and still remembered."""
        with self._lock:
            return any(channel.id == session for channel in self._remembered()) or any(
                topic.history.knows(session) for topic in self._rooms.values()
            )

    def past(self, *, room: str | None, session: str | None) -> Past | None:
        """Return what is remembered of a room, or of a session in one or in none; None where it is not known."""
        with self._lock:
            topics = self._topics() if room is None else [topic for topic in self._topics() if topic.name == room]
            for topic in topics:
                if session is None or topic.history.knows(session):
                    told = [published.event for published in topic.history.replay(session)]
                    return Past(told, topic.history.forgotten)
            return None

    def publish(self, channel: Channel, event: Event) -> None:
        """Do :meth:`Channel.publish`: numbers, history and queues change together, so no watcher misses an event."""
        with self._lock:
            if channel.id not in self._channels:
                return
            published = channel.topic.add(event, channel.id)
            for watcher in self._watchers:
                if watcher.interest.includes(channel.topic.name, published.event.session):
                    watcher.offer(published)
            if isinstance(event, events.SessionClosed):
                del self._channels[channel.id]
                if not channel.topic.name:
                    self._ended.append(channel)
        if self._observe is not None:  # outside the lock: nobody waits for those who only count
            self._observe(published.event)

    def subscribe(
        self, wake: Callable[[], None], interest: SubscriptionFilter | None = None, resume: Resume | None = None
    ) -> Subscription:
        """Return a watcher that gets the past of what it follows and then all events of it.

        Args:
            wake: called, from any thread, when something waits.
            interest: what it follows; everything if not given.
            resume: what it had got of the room it follows, which it then gets the rest of.
        """
        queue = WatcherQueue(self._capacity, self._patience_s)
        watcher = Subscription(queue, wake, interest or SubscriptionFilter(), self._clock)
        with self._lock:
            watcher.replay(self._past(watcher.interest, resume))
            self._watchers.append(watcher)
        return watcher

    def unsubscribe(self, watcher: Subscription) -> None:
        """Forget a watcher; what it did not get stays counted."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
                self._gone += watcher.dropped

    def watchers_of(self, channel: Channel, kind: MediaKind) -> list[Subscription]:
        """Return who wants previews of this kind of a session."""
        with self._lock:
            return [
                watcher
                for watcher in self._watchers
                if kind in watcher.interest.media
                and watcher.interest.own != channel.id
                and watcher.interest.includes(channel.topic.name, channel.id)
            ]

    def _topic(self, name: str = "", kept: int = 0) -> Topic:
        return Topic(name, kept, self._clock, self._record(name) if self._record else None)

    def _past(self, interest: SubscriptionFilter, resume: Resume | None) -> list[Published]:
        if interest.room is not None:
            room = self._rooms.get(interest.room)
            return [] if room is None else room.catch_up(resume, interest.own, interest.key)
        return [item for topic in self._topics() for item in topic.history.replay(interest.session)]

    def _topics(self) -> list[Topic]:
        """Return those of all rooms and of the sessions in none."""
        alone = [channel.topic for channel in self._remembered() if not channel.topic.name]
        return [*self._rooms.values(), *alone]

    def _remembered(self) -> list[Channel]:
        return [*self._ended, *self._channels.values()]

    def _free_number(self) -> int:
        taken = {channel.number for channel in self._remembered()}
        number = self._last_number
        while number in taken or number == self._last_number:
            number = (number + 1) % (MAX_SESSION_NUMBER + 1)
        return number
