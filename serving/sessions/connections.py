"""What all WebSockets that were let in have in common: they are read, written, and ended for one reason."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from models.threads import note_broken
from serving.rooms.broadcast import Subscription
from serving.sessions.outbox import Outbox, TooSlowError
from serving.sessions.registry import SessionRegistry
from serving.tasks import watched_task
from wire.errors import ErrorCode, ProtocolError
from wire.events import Error, Event

FLUSH_S: Final = 2.0
CLOSE_CODES: Final = {
    "too_slow": CloseCode.TRY_AGAIN_LATER,
    "too_large": CloseCode.MESSAGE_TOO_BIG,
    "errors": CloseCode.POLICY_VIOLATION,
    "rate": CloseCode.POLICY_VIOLATION,
    "idle": CloseCode.POLICY_VIOLATION,
    "replaced": CloseCode.POLICY_VIOLATION,
    "unreachable": CloseCode.INTERNAL_ERROR,
    "failed": CloseCode.INTERNAL_ERROR,
    "server.stopped": CloseCode.GOING_AWAY,
}


class Connection(ABC):
    """One WebSocket: a task that sends what is published, a task that reads, and the first reason to end both."""

    subscription: Subscription

    def __init__(self, registry: SessionRegistry, socket: ServerConnection) -> None:
        self.registry = registry
        self.socket = socket
        self.outbox = Outbox(socket, registry.settings.server.watcher_patience_s)
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """End the connection; the first reason counts."""
        if not self._ending.done():
            self._ending.set_result(reason)

    def tell(self, event: Event) -> None:
        """Tell the other end alone something of its connection."""
        self.subscription.tell(event)
        self.registry.observe(event)

    @abstractmethod
    def receive(self, message: str | bytes) -> None:
        """Take one message of the other end."""

    @abstractmethod
    async def finish(self, reason: str) -> None:
        """Publish what must still be said."""

    async def run(self) -> None:
        """Serve the connection until there is a reason to end it."""
        sender = watched_task("connection", self._send(), self._broke)
        reader = watched_task("connection", self._read(), self._broke)
        try:
            reason = await self._ending
            try:
                await self.finish(reason)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other end is told that it is over
                note_broken("task", "connection", error)
                reason = "failed"
            self.subscription.end()
            await asyncio.wait([sender], timeout=FLUSH_S)
            await self.socket.close(CLOSE_CODES.get(reason, CloseCode.NORMAL_CLOSURE), reason)
        finally:
            self.registry.broadcast.unsubscribe(self.subscription)
            sender.cancel()
            reader.cancel()

    def _broke(self) -> None:
        """End a connection one of whose tasks has broken: the others do not make up for it."""
        self.end("failed")

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                self.receive(message)
            self.end("disconnected")
        except ConnectionClosed as closed:
            self.end(_why_closed(closed))

    async def _send(self) -> None:
        try:
            await self.outbox.drain(self.subscription)
        except TooSlowError:
            self.registry.slow_closed += 1
            self.end("too_slow")
        except ConnectionClosed as closed:
            self.end(_why_closed(closed))


def _why_closed(closed: ConnectionClosed) -> str:
    """Return the reason of a connection that ended without one of ours: the library ends some by itself."""
    sent = None if closed.sent is None or closed.rcvd_then_sent else closed.sent.code
    match sent:
        case CloseCode.MESSAGE_TOO_BIG:
            return "too_large"
        case CloseCode.INTERNAL_ERROR:  # what a ping that is not answered in time ends with
            return "unreachable"
        case _:
            return "disconnected"


async def refuse(connection: ServerConnection, why: ProtocolError, observe: Callable[[Event], None]) -> None:
    """Tell the other end why it is not served, and close."""
    error = Error(code=why.code, message=str(why), fatal=True)
    observe(error)
    with suppress(ConnectionClosed):
        await connection.send(error.model_dump_json())
    later = why.code in {ErrorCode.OVERLOADED, ErrorCode.ADDRESS_FULL, ErrorCode.ROOM_FULL, ErrorCode.ROOMS_FULL}
    await connection.close(CloseCode.TRY_AGAIN_LATER if later else CloseCode.POLICY_VIOLATION, why.code)
