"""The WebSockets that are open: who may be one, how many there are, their end."""

import asyncio
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection

from serving.rooms.requests import WatchRequest, parse_join, parse_watch
from serving.sessions.client import Client
from serving.sessions.connections import Connection
from serving.sessions.registry import SessionRegistry
from serving.sessions.watcher import WatcherConnection
from wire.addresses import STREAM, key_among
from wire.errors import ErrorCode, ProtocolError


class OpenConnections:
    """All of a server, clients and watchers. Made and used in one event loop."""

    def __init__(self, registry: SessionRegistry) -> None:
        self._registry = registry
        self._tasks: dict[Connection, asyncio.Task[None]] = {}

    def admit(self, socket: ServerConnection) -> Connection:
        """Return what a WebSocket becomes that has shown its token.

        Raises:
            ProtocolError: there is no place for it, or its address makes no sense.
        """
        address = urlsplit(socket.request.path if socket.request else STREAM)
        limits = self._registry.settings.server
        if address.path == STREAM:
            _require_room("sessions", self._registry.broadcast.sessions, limits.max_sessions)
            key = key_among(socket.request.headers.get_all("Sec-WebSocket-Protocol")) if socket.request else ""
            return Client(self._registry, socket, parse_join(address.query, key))
        _require_room("watchers", self.count(WatcherConnection), limits.max_watchers)
        return WatcherConnection(self._registry, socket, self._known(parse_watch(address.query)))

    async def run(self, connection: Connection) -> None:
        """Serve a connection until its end."""
        self._tasks[connection] = task = asyncio.create_task(connection.run())
        try:
            await task
        finally:
            del self._tasks[connection]

    def count(self, kind: type[Connection]) -> int:
        """Return how many there are of a kind."""
        return sum(isinstance(connection, kind) for connection in self._tasks)

    def end_all(self, kind: type[Connection]) -> None:
        """Ask those of a kind to end, because the server stops."""
        for connection in self._tasks:
            if isinstance(connection, kind):
                connection.end("server.stopped")

    async def wait_for(self, kind: type[Connection], within_s: float) -> None:
        """Wait for the end of such connections; those that don't come to it in time are cut off."""
        tasks = [task for connection, task in self._tasks.items() if isinstance(connection, kind)]
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=within_s)
            for task in hanging:
                task.cancel()

    def _known(self, request: WatchRequest) -> WatchRequest:
        if request.session is not None and not self._registry.broadcast.knows(request.session):
            raise ProtocolError(ErrorCode.SESSION_UNKNOWN, "there is no such session, or it ended long ago")
        return request


def _require_room(what: str, count: int, limit: int) -> None:
    if count >= limit:
        text = f"the server has {count} {what} already (server.max_{what} is {limit}); try again later"
        raise ProtocolError(ErrorCode.OVERLOADED, text)
