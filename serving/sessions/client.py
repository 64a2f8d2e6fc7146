"""A client, which brings the media of one session: of its own, or of a room's participant."""

import asyncio
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from serving.rooms.broadcast import Channel, SubscriptionFilter
from serving.rooms.requests import JoinRequest
from serving.rooms.rooms import Member
from serving.sessions.client_protocol import Action, ClientProtocol, Configure, Finish, Reject
from serving.sessions.connections import Connection
from serving.sessions.limits import IdleWatch, InputLimits
from serving.sessions.registry import SessionRegistry, speaker_of
from serving.sessions.worker import SessionWorker
from serving.tasks import watched_task
from stream.jpeg import JpegFrame
from stream.media import AudioChunk, Media
from stream.sources.remote import RemoteSource
from wire import events
from wire.errors import ErrorCode
from wire.events import Error, SessionClosed, Totals
from wire.media import MediaKind
from wire.settings import ClientSettings

ROUND_TRIP_EVERY_S: Final = 5.0
EARLY_ENOUGH: Final = 0.9  # of the interval: frames that come as often as they may be shown do jitter


class Client(Connection):
    """A connection to ``/v1/stream``, which brings the media of one session.

    It gets its own events, or in a room everybody's.

    Raises:
        ProtocolError: the room does not let it in.
    """

    def __init__(self, registry: SessionRegistry, socket: ServerConnection, request: JoinRequest) -> None:
        super().__init__(registry, socket)
        self._member = registry.rooms.join(request, self.end) if request.room is not None else None
        self._channel = self._member.channel if self._member else registry.broadcast.open()
        with ExitStack() as undo:  # what breaks must not leave a place taken
            undo.callback(self._channel.publish, SessionClosed(reason="failed", totals=Totals()))
            if self._member is not None:
                undo.callback(registry.rooms.left, self._member, "failed")
            self.subscription = registry.broadcast.subscribe(self.outbox.wake, self._interest(request), request.resume)
            undo.callback(registry.broadcast.unsubscribe, self.subscription)
            self._name = self._member.name if self._member else None
            self._protocol = ClientProtocol(registry.settings, self._name, registry.models.check_language)
            self._configured = Configure(ClientSettings(speaker=self._name), registry.settings)
            self._source = RemoteSource(speaker_of(self._channel))  # its name is logged: not the participant's
            self._relay = FrameRelay(self._channel, registry.settings.server.preview_fps)
            self._worker: SessionWorker | None = None
            self._now = asyncio.get_running_loop().time
            self._limits = InputLimits(registry.settings.server)
            self._idle = IdleWatch(registry.settings.server.idle_timeout_s, self._now())
            if self._member is not None:
                registry.rooms.announce(self._member)
            registry.announce(self._channel, self._name)
            undo.pop_all()

    def receive(self, message: str | bytes) -> None:
        """Do what the message asks for, unless it is too much."""
        instead = self._limits.check(message, self._now())
        for action in self._protocol.receive(message) if instead is None else instead:
            self._do(action)

    async def run(self) -> None:
        """Serve the connection, see that media comes, and in a room measure how far away it is."""
        beside = [watched_task("idleness", self._mind_idleness(), self._broke)]
        if self._member is not None:
            beside.append(watched_task("round trip", self._measure(self._member), self._broke))
        try:
            await super().run()
        finally:
            for task in beside:
                task.cancel()

    async def finish(self, reason: str) -> None:
        """Let the session finish what it has, and close it."""
        totals = Totals()
        try:
            self._source.close()
            if self._member is not None:
                self.registry.rooms.left(self._member, reason)
            if self._worker is not None:
                totals = (await asyncio.wrap_future(self._worker.done)).totals
        finally:  # or its place would stay taken
            self._channel.publish(SessionClosed(reason=reason, totals=totals))
        self._protocol.closed()

    @property
    def _speaker(self) -> str:
        return self._name or speaker_of(self._channel)

    def _interest(self, request: JoinRequest) -> SubscriptionFilter:
        if self._member is None:
            return SubscriptionFilter(session=self._channel.id)
        return SubscriptionFilter(room=request.room, media=request.media, own=self._channel.id, key=self._member.key)

    async def _measure(self, member: Member) -> None:
        """Keep the round trip of the connection up to date: by a ping at once, then by those that keep it alive."""
        with suppress(ConnectionClosed):
            await (await self.socket.ping())
        while True:
            member.round_trip_ms = self.socket.latency * 1000
            await asyncio.sleep(ROUND_TRIP_EVERY_S)

    async def _mind_idleness(self) -> None:
        """Warn a client that sends no media, and end it when none comes."""
        while (pause_s := self._idle.look_in_s(self._now())) is not None:
            await asyncio.sleep(pause_s)
            idle_s, timeout_s = self._idle.idle_s(self._now()), self.registry.settings.server.idle_timeout_s
            match self._idle.look(self._now()):
                case "warn":
                    text = f"no media for {idle_s:.0f} s; at {timeout_s:g} s the session is closed. Who stays and "
                    text += "means to say nothing sends a piece of silence now and then"
                    self._tell(events.Warning(code=ErrorCode.MEDIA_IDLE, message=text))
                case "close":
                    text = f"no media for {timeout_s:g} s (server.idle_timeout_s)"
                    self._tell(Error(code=ErrorCode.MEDIA_IDLE, message=text, fatal=True))
                    self.end("idle")
                    return

    def _tell(self, event: Error | events.Warning) -> None:
        """Tell this client something of its session; others of the room have nothing to do with it."""
        self.tell(event.model_copy(update={"session": self._channel.id}))

    def _do(self, action: Action) -> None:
        if isinstance(action, AudioChunk | JpegFrame):
            self._idle.media(self._now())
        match action:
            case Configure():
                self._configured = action
                self._channel.publish(action.event(self._speaker))
            case AudioChunk():
                self._start_session()
                self._source.push_audio(action.time_ms, action.samples)
            case JpegFrame():
                self._start_session()
                self._source.push_jpeg(action.time_ms, action.jpeg)
            case Reject():
                self._tell(action.error)
            case Finish():
                self.end(action.reason)

    def _start_session(self) -> None:
        if self._worker is None:
            taps = [self._relay.show] if self._member else []
            self._worker = self.registry.start(self._source, self._channel, self._configured, self._member, taps)
            # The source ends when the connection does: a session that is done before that has broken.
            self._worker.done.add_done_callback(lambda _: self.registry.in_loop(partial(self.end, "failed")))


class FrameRelay:
    """Shows the others of a room a participant's frames as they came, at most ``fps`` a second, none at 0.

    Undecoded, but looked at (:func:`stream.jpeg.fault_of`): nobody's browser gets what is no whole JPEG, or what the
    server would find too costly to decode.
    """

    def __init__(self, channel: Channel, fps: float) -> None:
        self._channel = channel
        self._fps = fps
        self._last_ms = float("-inf")

    def show(self, media: Media) -> None:
        """Pass on a frame if it is due; called in the session's thread."""
        if not isinstance(media, JpegFrame) or not self._fps:
            return
        if media.time_ms < self._last_ms + EARLY_ENOUGH * 1000 / self._fps:
            return
        self._last_ms = media.time_ms
        self._channel.preview(MediaKind.JPEG, media.time_ms, media.jpeg)
