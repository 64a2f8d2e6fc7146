"""The server itself: admits connections, runs the sources of this machine, stops everything in order."""

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Response
from websockets.typing import Subprotocol

from models.threads import broken_parts, note_broken
from serving.http import asyncapi
from serving.http.authenticator import Authenticator
from serving.http.guarded_connection import GuardedConnection
from serving.http.listener import Listener
from serving.http.pages import Answer, Pages, answer, as_json, plain
from serving.http.waiting import Waiting
from serving.rooms.requests import JoinRequest, WatchRequest, parse_join, parse_watch
from serving.rooms.rooms import Member
from serving.sessions.client_protocol import Configure
from serving.sessions.connections import Client, Connection, Watcher, refuse
from serving.sessions.preview import Previewer
from serving.sessions.registry import MakeSession, Models, SessionRegistry, speaker_of
from serving.tasks import watch_callbacks, watched_task
from serving.telemetry.event_log import EventLog
from serving.telemetry.event_tally import EventTally
from serving.telemetry.figures import Figures, why_not_ready
from serving.telemetry.loop_lag import LoopWatch
from serving.telemetry.metrics import CONTENT_TYPE, Metrics
from serving.telemetry.status import server_status
from stream.recording.record import Recorder
from stream.settings import Settings
from stream.sources.base import Source
from stream.sources.tap import TappedSource
from wire.addresses import STREAM, SUBPROTOCOL, key_among
from wire.errors import ErrorCode, ProtocolError
from wire.events import Event, SessionClosed, Totals
from wire.settings import ClientSettings

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
        self._failures: list[str] = []
        self._settings = settings
        self._events = EventTally()
        self._event_log = EventLog(contents=settings.server.log_contents)
        self._registry = SessionRegistry(settings, models, make_session, self._observe, recorder)
        self._metrics = Metrics(self.figures)
        self._authenticator = Authenticator(settings.server)
        self._waiting = Waiting(settings.server.max_connections_per_address)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._watched = asyncio.Event()
        self._started = time.monotonic()
        self._stopping = False
        self._loop_watch = LoopWatch()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="preview")

    async def serve(
        self, sock: socket.socket, stop: asyncio.Event, plan: Plan, tls: ssl.SSLContext | None = None
    ) -> list[str]:
        """Serve on a bound socket until ``stop`` is set or the plan is done; with ``tls`` encrypted.

        Returns:
            why sources of this machine ended that did not end as they should, a line for each.
        """
        limits = self._settings.server
        server = await serve_websockets(
            self._handle,
            sock=Listener.instead_of(sock, self._waiting),
            ssl=tls,
            ssl_handshake_timeout=limits.handshake_timeout_s if tls else None,
            process_request=self._pages().respond,
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
        watch_callbacks()
        watching = watched_task("loop watch", self._loop_watch.run())
        plan.on_ready()
        sources = (self._run_local(source, plan.room, wait=plan.wait_for_watcher) for source in plan.sources)
        local = asyncio.gather(*(watched_task("source", running) for running in sources), return_exceptions=True)
        ends: list[asyncio.Future[Any]] = [watched_task("stop", stop.wait())]
        if plan.sources and plan.exit_when_done:
            ends.append(local)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        until = asyncio.get_running_loop().time() + self._settings.server.stop_timeout_s
        await self._stop(local, until)
        server.close()
        with suppress(TimeoutError):  # a peer that connected and never said a word is not waited for
            await asyncio.wait_for(server.wait_closed(), min(CLOSE_S, _left(until)))
        watching.cancel()
        ends[0].cancel()
        return self._failures

    def figures(self) -> Figures:
        """Return how the server stands."""
        registry = self._registry
        return Figures(
            uptime_s=time.monotonic() - self._started,
            not_ready=self._not_ready(),
            limits=self._settings.server,
            sessions=registry.sessions(),
            rooms=registry.rooms.figures(),
            watchers=self._count(Watcher),
            backlogs=registry.broadcast.backlogs,
            totals=registry.totals(),
            dropped=self._dropped(),
            events=self._events.figures,
            models=registry.models.figures,
            lag=self._loop_watch.lag,
            broken=broken_parts(),
        )

    def health(self) -> dict[str, object]:
        """Return the body of ``/healthz``."""
        models = self._registry.models.figures
        lost: dict[str, dict[str, int]] = {}
        for (network, reason), count in models.dropped.items():
            lost.setdefault(network, {})[reason] = count
        return {
            "status": "stopping" if self._stopping else "ok",
            "sessions": self._registry.broadcast.sessions,
            "rooms": len(self._registry.rooms),
            "watchers": self._count(Watcher),
            "engine": models.engine.name,
            "engine_building": models.engine.building,
            "bundle": models.bundle,
            "asr_model": models.asr_name,
            "uptime_s": round(time.monotonic() - self._started, 1),
            "dropped": self._dropped(),
            "dropped_requests": lost,
            "event_loop": self._loop_watch.figures(),
        }

    def _dropped(self) -> dict[str, int]:
        return self._registry.dropped() | {"connections": self._waiting.dropped}

    def _pages(self) -> Pages:
        return Pages(
            self._settings.server,
            self._authenticator,
            public=self._public_answers(),
            answers=self._answers(),
            find_past=self._registry.broadcast.past,
        )

    def _public_answers(self) -> dict[str, Answer]:
        """Return what is answered over HTTP to who does not know the token, by path."""
        return {
            "/healthz": lambda: as_json(json.dumps({"status": self.health()["status"]})),
            "/readyz": self._readiness,
            "/asyncapi.yaml": lambda: answer(HTTPStatus.OK, asyncapi.text().encode(), "application/yaml"),
        }

    def _answers(self) -> dict[str, Answer]:
        """Return what is answered over HTTP, by path."""
        return {
            **self._public_answers(),
            "/healthz": lambda: as_json(json.dumps(self.health())),
            "/metrics": lambda: answer(HTTPStatus.OK, self._metrics.exposition(), CONTENT_TYPE),
            "/v1/status": lambda: as_json(server_status(self.figures()).model_dump_json()),
        }

    def _readiness(self) -> Response:
        why_not = self._not_ready()
        return plain(HTTPStatus.OK, "ready") if why_not is None else plain(HTTPStatus.SERVICE_UNAVAILABLE, why_not)

    def _not_ready(self) -> str | None:
        limit = self._settings.server.max_sessions
        sessions, hanging = self._registry.broadcast.sessions, self._registry.models.figures.hanging
        return why_not_ready(stopping=self._stopping, sessions=sessions, limit=limit, hanging=hanging)

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
        connection = self._admit(socket)
        self._waiting.leave(socket.number)
        socket.let_in()
        self._connections[connection] = task = asyncio.create_task(connection.run())
        try:
            await task
        finally:
            del self._connections[connection]

    def _admit(self, socket: ServerConnection) -> Connection:
        address = urlsplit(socket.request.path if socket.request else STREAM)
        limits = self._settings.server
        if self._stopping:
            raise ProtocolError(ErrorCode.OVERLOADED, "the server is stopping")
        if address.path == STREAM:
            _require_room("sessions", self._registry.broadcast.sessions, limits.max_sessions)
            key = key_among(socket.request.headers.get_all("Sec-WebSocket-Protocol")) if socket.request else ""
            return Client(self._registry, socket, parse_join(address.query, key))
        _require_room("watchers", self._count(Watcher), limits.max_watchers)
        watcher = Watcher(self._registry, socket, self._known(parse_watch(address.query)))
        self._watched.set()
        return watcher

    def _known(self, request: WatchRequest) -> WatchRequest:
        if request.session is not None and not self._registry.broadcast.knows(request.session):
            raise ProtocolError(ErrorCode.SESSION_UNKNOWN, "there is no such session, or it ended long ago")
        return request

    async def _run_local(self, source: Source, room: str | None, *, wait: bool) -> None:
        """Be the session of a source of this machine, until it ends."""
        if wait:
            await self._watched.wait()
        if self._stopping:
            return
        try:
            member = self._registry.rooms.join(JoinRequest(room), lambda _: None) if room is not None else None
        except ProtocolError as why:
            log.error("a source of this machine can't join the room: %s", why, extra={"event": why.code})  # noqa: TRY400 - no fault of ours to trace
            self._failures.append(f"{source.name} can't join the room: {why}")
            return
        await self._play(source, member)

    async def _play(self, source: Source, member: Member | None) -> None:
        """Be the session of a source of this machine: in a room, or one of its own."""
        channel = member.channel if member else self._registry.broadcast.open()
        name = member.name if member else speaker_of(channel)
        if member is not None:
            self._registry.rooms.announce(member)
        self._registry.announce(channel, name)
        configured = Configure(ClientSettings(), self._settings)
        channel.publish(configured.event(name))
        previewer = Previewer(channel, self._settings.server.preview_fps, self._encoder)
        shown = TappedSource(source, previewer.show)
        reason, totals, failure = "failed", Totals(), f"the session of {source.name} broke"
        try:
            outcome = await asyncio.wrap_future(self._registry.start(shown, channel, configured, member).done)
            reason, totals = "server.stopped" if self._stopping else outcome.reason, outcome.totals
            if outcome.failure is not None or reason != "failed":
                failure = "" if outcome.failure is None else outcome.failure.message
        finally:
            if failure:
                self._failures.append(failure)
            if member is not None:
                self._registry.rooms.left(member, reason)
            channel.publish(SessionClosed(reason=reason, totals=totals))

    async def _stop(self, local: asyncio.Future[list[Any]], until: float) -> None:
        """Finish all sessions, then let the watchers have what waits for them, all of it by a time of the loop."""
        sessions, watchers = self._registry.broadcast.sessions, self._count(Watcher)
        log.info("stopping: %d sessions, %d watchers", sessions, watchers, extra={"event": "server.stopping"})
        self._stopping = True
        self._watched.set()
        self._end_all(Client)
        await self._registry.finish(FOR_SESSIONS * _left(until))
        await local
        await self._wait_for(Client, FOR_CLIENTS * _left(until))
        self._end_all(Watcher)
        await self._wait_for(Watcher, FOR_WATCHERS * _left(until))
        self._encoder.shutdown(wait=False, cancel_futures=True)

    def _count(self, kind: type[Connection]) -> int:
        return sum(isinstance(connection, kind) for connection in self._connections)

    def _end_all(self, kind: type[Connection]) -> None:
        for connection in self._connections:
            if isinstance(connection, kind):
                connection.end("server.stopped")

    async def _wait_for(self, kind: type[Connection], within_s: float) -> None:
        """Wait for the end of such connections; those that don't come to it in time are cut off."""
        tasks = [task for connection, task in self._connections.items() if isinstance(connection, kind)]
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=within_s)
            for task in hanging:
                task.cancel()


def _left(until: float) -> float:
    """Return the seconds up to a time of the running loop."""
    return max(0.0, until - asyncio.get_running_loop().time())


def _require_room(what: str, count: int, limit: int) -> None:
    if count >= limit:
        text = f"the server has {count} {what} already (server.max_{what} is {limit}); try again later"
        raise ProtocolError(ErrorCode.OVERLOADED, text)


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
