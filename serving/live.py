"""The server itself: admits connections, runs the sources of this machine, stops everything in order."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from models.threads import note_broken
from serving.http.authenticator import Authenticator
from serving.http.guarded_connection import GuardedConnection
from serving.http.listener import Listener
from serving.http.pages import Pages
from serving.http.waiting import Waiting
from serving.report import ServerReport
from serving.sessions.client import Client
from serving.sessions.connections import refuse
from serving.sessions.local_sources import LocalSources
from serving.sessions.open_connections import OpenConnections
from serving.sessions.registry import MakeSession, Models, SessionRegistry
from serving.sessions.watcher import WatcherConnection
from serving.tasks import watch_callbacks, watched_task
from serving.telemetry.event_log import EventLog
from serving.telemetry.event_tally import EventTally
from stream.recording.record import Recorder
from stream.settings import Settings
from stream.sources.base import Source
from wire.addresses import SUBPROTOCOL
from wire.errors import ErrorCode, ProtocolError
from wire.events import Event

log = logging.getLogger("m2fnet.server")

CLOSE_S: Final = 2.0
BROKEN_INSIDE: Final = {"keepalive ping failed": "pings", "unexpected internal error": "websocket"}
READ_AHEAD: Final = 4  # messages of a client, each of which may be as large as is allowed
# Shares of the time left for stopping: what is said is finished first, but everybody must still be told.
FOR_SESSIONS: Final = 0.7
FOR_CLIENTS: Final = 0.5
FOR_WATCHERS: Final = 0.8


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the server does besides waiting for clients.

    Attributes:
        sources: not started; each becomes a session.
        room: the room that these are participants of, if any.
        wait_for_watcher: start them only when somebody watches.
        exit_when_done: stop when all of them have ended.
        on_ready: called when connections are accepted.
    """

    sources: Sequence[Source] = ()
    room: str | None = None
    wait_for_watcher: bool = False
    exit_when_done: bool = False
    on_ready: Callable[[], None] = _nothing


class LiveServer:
    """All connections and all sources of this machine. Made and used in one event loop.

    Args:
        recorder: records all sessions, if they are to be; whoever made it closes it.
    """

    def __init__(
        self, settings: Settings, models: Models, make_session: MakeSession, recorder: Recorder | None = None
    ) -> None:
        limits = settings.server
        self._limits = limits
        self._events = EventTally()
        self._event_log = EventLog(contents=limits.log_contents)
        self._registry = SessionRegistry(settings, models, make_session, self._observe, recorder)
        self._authenticator = Authenticator(limits)
        self._waiting = Waiting(limits.max_connections_per_address)
        self._connections = OpenConnections(self._registry)
        self._sources = LocalSources(self._registry)
        self._report = ServerReport(self._registry, self._events, self._waiting, self._watchers)

    async def serve(
        self, sock: socket.socket, stop: asyncio.Event, plan: Plan, tls: ssl.SSLContext | None = None
    ) -> list[str]:
        """Serve on a bound socket until ``stop`` is set or the plan is done; with ``tls`` encrypted.

        Returns:
            why sources of this machine ended that did not end as they should, a line for each.
        """
        server = await self._listen(sock, tls)
        watch_callbacks()
        watching = watched_task("loop watch", self._report.loop_watch.run())
        plan.on_ready()
        local = self._sources.start(plan.sources, plan.room, wait=plan.wait_for_watcher)
        ends: list[asyncio.Future[Any]] = [watched_task("stop", stop.wait())]
        if plan.sources and plan.exit_when_done:
            ends.append(local)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        until = asyncio.get_running_loop().time() + self._limits.stop_timeout_s
        await self._stop(local, until)
        server.close()
        with suppress(TimeoutError):  # a peer that connected and never said a word is not waited for
            await asyncio.wait_for(server.wait_closed(), min(CLOSE_S, _left(until)))
        watching.cancel()
        ends[0].cancel()
        return self._sources.failures

    async def _listen(self, sock: socket.socket, tls: ssl.SSLContext | None) -> Server:
        limits = self._limits
        pages = Pages(
            limits,
            self._authenticator,
            public=self._report.public_answers(),
            answers=self._report.answers(),
            find_past=self._registry.broadcast.past,
        )
        return await serve_websockets(
            self._handle,
            sock=Listener.instead_of(sock, self._waiting),
            ssl=tls,
            ssl_handshake_timeout=limits.handshake_timeout_s if tls else None,
            process_request=pages.respond,
            create_connection=GuardedConnection,
            select_subprotocol=_select_subprotocol,
            server_header=None,  # which versions run here is nobody's business
            compression=None,  # frames and sound don't shrink, and events are short
            max_size=limits.max_message_bytes,
            max_queue=READ_AHEAD,
            open_timeout=limits.handshake_timeout_s,
            ping_interval=limits.ping_interval_s,
            ping_timeout=limits.ping_timeout_s,
            close_timeout=CLOSE_S,
            logger=_quiet_logger(),
        )

    def _watchers(self) -> int:
        return self._connections.count(WatcherConnection)

    def _observe(self, event: Event) -> None:
        """Take note of an event, in whatever thread it is told."""
        self._events.observe(event)
        self._event_log.observe(event)

    async def _handle(self, socket: ServerConnection) -> None:
        assert isinstance(socket, GuardedConnection)  # noqa: S101 - nothing else is made
        try:
            with self._authenticator.counted(socket):
                await self._serve_admitted(socket)
        except ProtocolError as why:
            await refuse(socket, why, self._observe)
        except ConnectionClosed:
            log.debug("a connection was closed before it was let in")
        except Exception as error:  # noqa: BLE001 - whatever it is ends this connection, and no other
            note_broken("task", "connection", error)
            await socket.close(CloseCode.INTERNAL_ERROR, "failed")

    async def _serve_admitted(self, socket: GuardedConnection) -> None:
        await self._authenticator.admit(socket)
        if self._report.stopping:
            raise ProtocolError(ErrorCode.OVERLOADED, "the server is stopping")
        connection = self._connections.admit(socket)
        if isinstance(connection, WatcherConnection):
            self._sources.watched()
        self._waiting.leave(socket.number)
        socket.let_in()
        await self._connections.run(connection)

    async def _stop(self, local: asyncio.Future[list[Any]], until: float) -> None:
        """Finish all sessions, then let the watchers have what waits for them, all of it by a time of the loop."""
        sessions, watchers = self._registry.broadcast.sessions, self._watchers()
        log.info("stopping: %d sessions, %d watchers", sessions, watchers, extra={"event": "server.stopping"})
        self._report.stopping = True
        self._sources.stop()
        self._connections.end_all(Client)
        await self._registry.finish(FOR_SESSIONS * _left(until))
        await local
        await self._connections.wait_for(Client, FOR_CLIENTS * _left(until))
        self._connections.end_all(WatcherConnection)
        await self._connections.wait_for(WatcherConnection, FOR_WATCHERS * _left(until))
        self._sources.close()


def _left(until: float) -> float:
    """Return the seconds up to a time of the running loop."""
    return max(0.0, until - asyncio.get_running_loop().time())


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return ours where it is offered: browsers break off when none of those they offer is taken."""
    return next((one for one in offered if one == SUBPROTOCOL), None)


def _quiet_logger() -> logging.Logger:
    """Return a logger for what the library says of each connection: a port scan is no reason for a traceback."""
    quiet = logging.getLogger("m2fnet.websockets")
    quiet.setLevel(logging.ERROR)
    quiet.addFilter(_only_noted)
    return quiet


def _only_noted(record: logging.LogRecord) -> bool:
    """Note where the library says that something broke in itself; nothing else of it is logged."""
    part = BROKEN_INSIDE.get(record.getMessage())
    if part is not None and record.exc_info and record.exc_info[1] is not None:
        note_broken("task", part, record.exc_info[1])
    return False
