"""A watcher, which gets the events of a room, of a session or of all, and sends nothing."""

from websockets.asyncio.server import ServerConnection

from serving.rooms.broadcast import SubscriptionFilter
from serving.rooms.requests import WatchRequest
from serving.sessions.client_protocol import MAX_ERRORS_IN_A_ROW
from serving.sessions.connections import Connection
from serving.sessions.registry import SessionRegistry
from wire.addresses import EVENTS, STREAM
from wire.control import parse_auth
from wire.errors import ErrorCode
from wire.events import Error


class WatcherConnection(Connection):
    """A connection to ``/v1/events``, which gets events and sends nothing."""

    def __init__(self, registry: SessionRegistry, socket: ServerConnection, request: WatchRequest) -> None:
        super().__init__(registry, socket)
        interest = SubscriptionFilter(request.room, request.session, request.media)
        self.subscription = registry.broadcast.subscribe(self.outbox.wake, interest, request.resume)
        self._unexpected = 0

    def receive(self, message: str | bytes) -> None:
        """Tell the watcher that nobody listens to it; a token that nobody asked for does no harm."""
        if not self._unexpected and parse_auth(message) is not None:
            return
        self._unexpected += 1
        fatal = self._unexpected >= MAX_ERRORS_IN_A_ROW
        text = f"{EVENTS} takes no messages; send media and control to {STREAM}"
        self.tell(Error(code=ErrorCode.READ_ONLY, message=text, fatal=fatal))
        if fatal:
            self.end("errors")

    async def finish(self, reason: str) -> None:
        """Nothing more to say to a watcher."""
