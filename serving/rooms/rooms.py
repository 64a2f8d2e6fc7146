"""The rooms of a server: who is in them, whose dialog they share, when they are forgotten."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from serving.rooms.broadcast import Broadcast, Channel
from serving.rooms.clock_offset import ArrivalOffset
from serving.rooms.requests import JoinRequest
from serving.rooms.topic import Topic
from serving.telemetry.figures import RoomFigures
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.speakers import SPEAKERS
from stream.media import AudioChunk, Media, VideoFrame
from stream.settings import ServerSettings
from wire.errors import ErrorCode, ProtocolError
from wire.events import ClockOffset, ParticipantJoined, ParticipantLeft

TOLD_MS: Final = 20.0  # a correction of a participant's clock by less is not told


@dataclass(frozen=True)
class Identity:
    """Who somebody is in a room: by a key that it alone knows, and what is told of that, the session it got it in."""

    key: str
    person: str


class Member:
    """A participant of a room, while its session goes on.

    Args:
        leave: ends the connection, with the reason.
    """

    def __init__(
        self, room: "Room", channel: Channel, name: str, identity: Identity, leave: Callable[[str], None]
    ) -> None:
        self.channel = channel
        self.name = name
        self.key = identity.key
        self.leave = leave
        self._person = identity.person
        self.round_trip_ms = 0.0
        self._room = room
        self._arrivals = ArrivalOffset()
        self._told_ms: float | None = None

    @property
    def context(self) -> SessionContext:
        """Its place in the room's conversation."""
        return SessionContext(self._room.dialog, self.channel.id, self._offset_ms, self._person)

    def arrived(self, media: Media) -> None:
        """Note when media has arrived, later, in the session's thread: so the clocks are compared."""
        if not isinstance(media, AudioChunk | VideoFrame):
            return
        end_ms = media.end_ms if isinstance(media, AudioChunk) else media.time_ms
        now_ms = self._room.arrived(media.arrived_s, end_ms + self.round_trip_ms / 2)
        self._arrivals.arrived(end_ms, now_ms, self.round_trip_ms)
        offset = self._offset_ms()
        if self._told_ms is None or abs(offset - self._told_ms) > TOLD_MS:
            self._told_ms = offset
            self.channel.publish(ClockOffset(offset_ms=round(offset, 1)))

    def _offset_ms(self) -> float:
        offset = self._arrivals.ms
        return self._room.topic.now_ms if offset is None else offset


@dataclass(eq=False)
class Room:
    """A call: its events, its dialog, and who is or was in it, by name without regard to case."""

    topic: Topic
    dialog: SharedDialog
    members: dict[str, Member] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    forgetting: asyncio.TimerHandle | None = None
    _began: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, arrived_s: float | None, end_ms: float) -> float:
        """Return the room's time at which media arrived that ends ``end_ms`` after its session began.

        The first media of the room may have begun before it was opened: then its time begins with that. Called in the
        threads of all sessions.
        """
        with self._lock:
            now_ms = self.topic.now_ms if arrived_s is None else self.topic.ms_at(arrived_s)
            if not self._began:
                self._began = True
                self.topic.begin_by(now_ms - end_ms)
                now_ms = max(now_ms, end_ms)
            return now_ms

    def identify(self, name: str, key: str, session: str) -> Identity:
        """Return who comes under a name: the one that was there under it before, if it has the key, else somebody new.

        Of those who left, the last ones are remembered.
        """
        known = self.identities.pop(name.casefold(), None)
        if known is None or not compare_digest(known.key.encode(), key.encode()):
            known = Identity(secrets.token_urlsafe(12), session)
        self.identities[name.casefold()] = known
        if len(self.identities) > SPEAKERS:
            del self.identities[next(iter(self.identities))]
        return known


class Rooms:
    """Lets participants in and out; made and used in one event loop.

    Args:
        window: utterances of a room's dialog.
    """

    def __init__(self, limits: ServerSettings, window: int, broadcast: Broadcast) -> None:
        self._limits = limits
        self._window = window
        self._broadcast = broadcast
        self._rooms: dict[str, Room] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._rooms)

    def figures(self) -> list[RoomFigures]:
        """Return how the rooms stand."""
        return [
            RoomFigures(name=name, participants=len(room.members), recording=room.topic.recording)
            for name, room in self._rooms.items()
        ]

    def join(self, request: JoinRequest, leave: Callable[[str], None]) -> Member:
        """Let a participant in; the room is opened where there is none.

        Raises:
            ProtocolError: the room is full, there are too many, or the name is taken by somebody who is there.
        """
        name = request.room or ""
        room = self._rooms.get(name)
        if room is None and len(self._rooms) >= self._limits.max_rooms:
            text = f"the server has {len(self._rooms)} rooms already (server.max_rooms); try again later"
            raise ProtocolError(ErrorCode.ROOMS_FULL, text)
        if room is not None:
            self._require_place(room, request)
        return self._enter(room or self._open(name), request, leave)

    def announce(self, member: Member) -> None:
        """Tell the room who has come."""
        returning = member.channel.topic.knows(member.name)
        member.channel.publish(ParticipantJoined(name=member.name, number=member.channel.number, returning=returning))

    def left(self, member: Member, reason: str) -> None:
        """Tell the room who has gone; the last one leaves it empty, and after a while forgotten."""
        member.channel.publish(ParticipantLeft(name=member.name, reason=reason))
        name = member.channel.topic.name
        room = self._rooms[name]
        if room.members.get(member.name.casefold()) is member:
            del room.members[member.name.casefold()]
        if not room.members:
            room.forgetting = self._loop.call_later(self._limits.room_linger_s, self._forget, name)

    def _require_place(self, room: Room, request: JoinRequest) -> None:
        there = room.members.get((request.name or "").casefold())
        if there is not None:
            if not compare_digest(there.key.encode(), request.key.encode()):
                text = f"somebody called {there.name} is in the room already; choose another name"
                raise ProtocolError(ErrorCode.NAME_TAKEN, text)
        elif len(room.members) >= self._limits.max_participants:
            text = f"the room has {len(room.members)} participants already (server.max_participants)"
            raise ProtocolError(ErrorCode.ROOM_FULL, text)

    def _enter(self, room: Room, request: JoinRequest, leave: Callable[[str], None]) -> Member:
        if room.forgetting is not None:
            room.forgetting.cancel()
            room.forgetting = None
        channel = self._broadcast.open(room.topic)
        name = request.name or _free_name(room, channel.number)
        there = room.members.get(name.casefold())
        if there is not None:
            there.leave("replaced")
        member = Member(room, channel, name, room.identify(name, request.key, channel.id), leave)
        room.members[name.casefold()] = member
        return member

    def _open(self, name: str) -> Room:
        room = Room(self._broadcast.open_room(name), SharedDialog(self._window))
        self._rooms[name] = room
        return room

    def _forget(self, name: str) -> None:
        room = self._rooms.get(name)
        if room is not None and not room.members:
            del self._rooms[name]
            self._broadcast.close_room(name)


def _free_name(room: Room, number: int) -> str:
    """Return a name for who gave none, other than that of anybody who is there."""
    while f"speaker {number}" in room.members:
        number += 1
    return f"Speaker {number}"
