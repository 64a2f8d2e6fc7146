"""The sources of the server's own machine, each of which is a session."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.rooms.requests import JoinRequest
from serving.rooms.rooms import Member
from serving.sessions.client_protocol import Configure
from serving.sessions.preview import Previewer
from serving.sessions.registry import SessionRegistry, speaker_of
from serving.tasks import watched_task
from stream.sources.base import Source
from wire.errors import ProtocolError
from wire.events import SessionClosed, Totals
from wire.settings import ClientSettings

log = logging.getLogger("m2fnet.server")


class LocalSources:
    """Runs them. Made and used in one event loop.

    Attributes:
        failures: why some ended that did not end as they should, a line for each.
    """

    def __init__(self, registry: SessionRegistry) -> None:
        self.failures: list[str] = []
        self._registry = registry
        self._watched = asyncio.Event()
        self._stopping = False
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="preview")

    def start(self, sources: Sequence[Source], room: str | None, *, wait: bool) -> asyncio.Future[list[Any]]:
        """Start them, as participants of a room if there is one; with ``wait`` only when somebody watches.

        Returns:
            what is done when all have ended.
        """
        running = (watched_task("source", self._run(source, room, wait=wait)) for source in sources)
        return asyncio.gather(*running, return_exceptions=True)

    def watched(self) -> None:
        """Take note that somebody watches."""
        self._watched.set()

    def stop(self) -> None:
        """Start no more; what runs is finished by the registry."""
        self._stopping = True
        self._watched.set()

    def close(self) -> None:
        """Make no more previews."""
        self._encoder.shutdown(wait=False, cancel_futures=True)

    async def _run(self, source: Source, room: str | None, *, wait: bool) -> None:
        """Be the session of a source, until it ends."""
        if wait:
            await self._watched.wait()
        if self._stopping:
            return
        try:
            member = self._registry.rooms.join(JoinRequest(room), lambda _: None) if room is not None else None
        except ProtocolError as why:
            log.error("a source of this machine can't join the room: %s", why, extra={"event": why.code})  # noqa: TRY400 - no fault of ours to trace
            self.failures.append(f"{source.name} can't join the room: {why}")
            return
        await self._play(source, member)

    async def _play(self, source: Source, member: Member | None) -> None:
        """Be the session of a source: in a room, or one of its own."""
        channel = member.channel if member else self._registry.broadcast.open()
        name = member.name if member else speaker_of(channel)
        if member is not None:
            self._registry.rooms.announce(member)
        self._registry.announce(channel, name)
        configured = Configure(ClientSettings(), self._registry.settings)
        channel.publish(configured.event(name))
        previewer = Previewer(channel, self._registry.settings.server.preview_fps, self._encoder)
        reason, totals, failure = "failed", Totals(), f"the session of {source.name} broke"
        try:
            worker = self._registry.start(source, channel, configured, member, [previewer.show])
            outcome = await asyncio.wrap_future(worker.done)
            reason, totals = "server.stopped" if self._stopping else outcome.reason, outcome.totals
            if outcome.failure is not None or reason != "failed":
                failure = "" if outcome.failure is None else outcome.failure.message
        finally:
            if failure:
                self.failures.append(failure)
            if member is not None:
                self._registry.rooms.left(member, reason)
            channel.publish(SessionClosed(reason=reason, totals=totals))
