"""What one connection has been told so far: pure, messages in, typed events out; no socket and no clock."""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ConfigDict, ValidationError
from websockets.frames import CloseCode

from m2fnet_client.addresses import Position
from m2fnet_client.errors import ClientCode, ClientError, ClosedError, InvalidMessageError, RefusedError
from wire import events
from wire.errors import ProtocolError
from wire.events import EVENT_TYPES, Event, EventBase, RoomState, SessionClosed, SessionCreated
from wire.media import MediaMessage, decode_media
from wire.strict import problems_of

STOPPED: Final = "server.stopped"
# A server, or what stands before it, that ends need not say why.
ENDING: Final = frozenset({CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART})


class UnknownEvent(EventBase):
    """An event of a later version of the protocol; its fields are there as they came (``model_extra``)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that this connection has lost, told in their place: those with a ``seq`` from ``first`` to ``last``.

    The server drops events for a connection that reads too slowly, the most expendable first.
    """

    room: str
    session: str
    first: int
    last: int
    type: Literal["client.gap"] = "client.gap"


Received = Event | UnknownEvent | Gap | MediaMessage


class Progress:
    """Counts the events of one room, or of one session that is in none.

    A watcher of several sessions gets their pasts with what no longer matters left out, so nothing can be told from
    what is missing there: only a room, which says where it stands, and a session followed from its beginning count.

    Args:
        position: where the client stands, from an earlier connection.
        session_counts: whether a session in no room is followed from its beginning.
    """

    def __init__(self, position: Position | None = None, *, session_counts: bool = False) -> None:
        self._instance = position.instance if position else ""
        self._last: int | None = position.since if position else (0 if session_counts else None)
        self._snapshot_to: int | None = None
        self._in_room = position is not None

    @property
    def position(self) -> Position | None:
        """Where to go on in the room; None while that isn't known: the room must then be told anew."""
        if not self._in_room or not self._instance or self._last is None or self._snapshot_to is not None:
            return None
        return Position(self._instance, self._last)

    def note(self, event: EventBase) -> Gap | None:
        """Take note of an event; return what was lost before it."""
        if isinstance(event, RoomState):
            self._begin(event)
            return None
        if self._last is None or not event.seq:
            return None
        if self._snapshot_to is not None:
            if event.seq < self._snapshot_to:
                return None  # a snapshot leaves out what no longer matters
            self._snapshot_to = None  # the last event of it, or the first one after it
        if event.seq <= self._last:
            return None
        first, self._last = self._last + 1, event.seq
        return Gap(event.room, event.session, first, event.seq - 1) if first < event.seq else None

    def _begin(self, state: RoomState) -> None:
        self._in_room = True
        if state.resumed and state.instance == self._instance:
            return
        self._instance, self._last = state.instance, state.seq
        # Whether all of it has come is known only with its last event: until then there is no place to go on from.
        self._snapshot_to = state.seq or None


class Conversation:
    """One connection to a server, from its first message to its end.

    Args:
        progress: goes on from one connection to the next.
        watching: no session is this connection's own.
    """

    def __init__(self, progress: Progress, *, watching: bool) -> None:
        self.progress = progress
        self.session = ""
        self.key = ""
        self.created: SessionCreated | None = None
        self.closed: SessionClosed | None = None
        self._watching = watching
        self._fatal: events.Error | None = None
        self._begun = False

    @property
    def admitted(self) -> bool:
        """Whether the server has let this connection in."""
        return self._begun

    def receive(self, message: str | bytes) -> list[Received]:
        """Return what a message says, in order.

        Raises:
            InvalidMessageError: it is none of the protocol.
        """
        if isinstance(message, bytes):
            return [_media(message)]
        event = parse_event(message)
        if isinstance(event, events.Error) and event.fatal and event.session == self.session:
            self._fatal = event
            if not self._begun:
                return []  # a refusal, which the exception tells
        self._begun = True
        gap = self.progress.note(event)
        self._note_own(event)
        return [event] if gap is None else [gap, event]

    @property
    def finished(self) -> bool:
        """Whether the session has ended as the client had asked, and had not broken."""
        return self.closed is not None and self.closed.reason == "client" and self._fatal is None

    def failure(self, close_code: int | None, reason: str) -> ClientError:
        """Return why a connection ended that was closed with this code and reason, and was not finished."""
        if self._fatal is not None and not self._begun:
            return RefusedError(self._fatal.code, self._fatal.message, passing=close_code == CloseCode.TRY_AGAIN_LATER)
        if self._fatal is not None:
            return ClosedError(self._fatal.code, self._fatal.message, close_code)
        unsaid = STOPPED if close_code in ENDING else ClientCode.LOST
        code = self.closed.reason if self.closed is not None else reason or unsaid
        return ClosedError(code, _why(code), close_code)

    def _note_own(self, event: EventBase) -> None:
        if self._watching:
            return
        match event:
            case RoomState():
                self.session, self.key = event.session, event.key
            case SessionCreated() if not self.session or event.session == self.session:
                self.session, self.created = event.session, event
            case SessionClosed() if event.session == self.session:
                self.closed = event
            case _:
                pass


def parse_event(text: str) -> Event | UnknownEvent:
    """Return the event of a text message, one of an unknown type as it came.

    Raises:
        InvalidMessageError: it is no event.
    """
    try:
        fields: Any = json.loads(text)
        kind = fields["type"]
        known = EVENT_TYPES.get(kind, UnknownEvent)
        return known.model_validate(fields)  # type: ignore[return-value] # EVENT_TYPES holds the types of Event
    except ValidationError as error:
        message = f"the server's {kind!r} has a field that makes no sense: {problems_of(error)[0]}"
        raise InvalidMessageError(ClientCode.EVENT_INVALID, message) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        message = "the server sent text that is no event; is there another program at the address?"
        raise InvalidMessageError(ClientCode.EVENT_INVALID, message) from None


def _media(data: bytes) -> MediaMessage:
    try:
        return decode_media(data)
    except ProtocolError as error:
        raise InvalidMessageError(error.code, f"the server sent media that can't be read: {error}") from None


def _why(code: str) -> str:
    match code:
        case ClientCode.LOST:
            return "the connection was lost"
        case "too_slow":
            return "the server closed the connection: its events were not read fast enough"
        case _ if code == STOPPED:
            return "the server was stopped"
        case _:
            return "the server closed the connection"
