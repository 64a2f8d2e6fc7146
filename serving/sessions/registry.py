"""The sessions of a server: their threads, their events, what was dropped."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from serving.rooms.broadcast import Broadcast, Channel
from serving.rooms.rooms import Member, Rooms
from serving.sessions.client_protocol import Configure
from serving.sessions.worker import Emit, SessionWorker
from serving.telemetry.figures import SessionFigures
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.live_models import ModelFigures
from stream.media import DropCounts
from stream.pipeline import Drivable, Readable, Tap
from stream.recording.format import AnalysisSettings, SessionEntry
from stream.recording.record import Recorder, SessionRecord
from stream.settings import Settings
from wire.events import Event, SessionCreated, Totals


class Models(Protocol):
    """What a server asks of the models itself, and tells about them."""

    @property
    def labels(self) -> Sequence[str]:
        """The emotions, in the order of the probabilities."""

    @property
    def figures(self) -> ModelFigures:
        """How they stand."""

    def check_language(self, language: str | None) -> None:
        """Raise ValueError for a language that the speech model does not know."""


MakeSession = Callable[[Settings, Emit, str, SessionContext, SessionRecord | None], Drivable]
"""Makes the session of a speaker, in a conversation, recorded or not."""


class SessionRegistry:
    """All sessions, and whom their events go to. Made and used in one event loop.

    Args:
        observe: called with every event that is told, from any thread.
        recorder: records them, if they are to be.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        make_session: MakeSession,
        observe: Callable[[Event], None],
        recorder: Recorder | None = None,
    ) -> None:
        self.settings = settings
        self.models = models
        self.observe = observe
        limits = settings.server
        self.broadcast = Broadcast(
            limits.watcher_queue,
            limits.watcher_patience_s,
            limits.room_history,
            observe=observe,
            record=recorder.begin if recorder else None,
        )
        self.rooms = Rooms(limits, settings.dialog.window, self.broadcast)
        self.slow_closed = 0
        self._make_session = make_session
        self._workers: set[SessionWorker] = set()
        self._dropped = DropCounts()
        self._totals = Totals()
        self._loop = asyncio.get_running_loop()

    def announce(self, channel: Channel, name: str | None = None) -> None:
        """Publish the first event of a session; ``name`` is the participant's, where it has one already."""
        models = self.models.figures
        created = SessionCreated(
            number=channel.number,
            labels=list(self.models.labels),
            speaker=name or speaker_of(channel),
            engine=models.engine.name,
            bundle=models.bundle,
            recording=channel.topic.recording,
        )
        channel.publish(created)

    def start(
        self,
        source: Readable,
        channel: Channel,
        configured: Configure,
        member: Member | None = None,
        taps: Sequence[Tap] = (),
    ) -> SessionWorker:
        """Start a session in its thread: that of a room's member, or one of its own."""
        speaker = configured.client.speaker or (member.name if member else speaker_of(channel))
        context = member.context if member else SessionContext(SharedDialog(configured.settings.dialog.window))
        record = self._record(channel, configured, speaker, context.person)
        seen_by = taps if member is None else (*taps, member.arrived)

        def make(emit: Emit) -> Drivable:
            return self._make_session(configured.settings, emit, speaker, context, record)

        worker = SessionWorker(source, channel, make, configured.client, seen_by)
        self._workers.add(worker)
        worker.done.add_done_callback(lambda _: self.in_loop(partial(self._retire, worker)))
        worker.start()
        return worker

    async def finish(self, within_s: float) -> None:
        """Ask all sessions to finish, and give up those that don't in time."""
        for worker in self._workers:
            worker.stop()
        if self._workers:
            await asyncio.wait([asyncio.wrap_future(worker.done) for worker in self._workers], timeout=within_s)
        for worker in self._workers:  # those too that began meanwhile
            worker.abandon()

    def in_loop(self, act: Callable[[], object]) -> None:
        """Call ``act`` in the event loop, from any thread."""
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to act for
            self._loop.call_soon_threadsafe(act)

    def dropped(self) -> dict[str, int]:
        """Return what was lost so far, by kind."""
        media = sum((worker.source.dropped for worker in self._workers), self._dropped)
        watchers = self.broadcast.dropped
        return {
            "events": watchers.events,
            "previews": watchers.previews,
            "slow_connections": self.slow_closed,
            "audio_chunks": media.audio_chunks,
            "video_frames": media.video_frames,
        }

    def totals(self) -> Totals:
        """Return what all sessions did since the start, without what their sources threw away."""
        return _sum([self._totals, *(worker.totals for worker in self._workers)])

    def sessions(self) -> list[SessionFigures]:
        """Return how the open sessions stand."""
        workers = {worker.session: worker for worker in self._workers}
        return [_figures(channel, workers.get(channel.id)) for channel in self.broadcast.open_channels]

    def _record(self, channel: Channel, configured: Configure, speaker: str, person: str) -> SessionRecord | None:
        """Return where a session is recorded, where it is to be."""
        record = channel.topic.record
        if record is None or not record.running:
            return None
        entry = SessionEntry(
            id=channel.id,
            number=channel.number,
            speaker=speaker,
            alone=record.alone,
            person=person,
            engine=self.models.figures.engine.name,
            client=configured.client,
            settings=AnalysisSettings.of(configured.settings),
        )
        return record.session(entry, channel.publish)

    def _retire(self, worker: SessionWorker) -> None:
        self._workers.discard(worker)
        self._totals = _sum([self._totals, worker.totals])
        self._dropped += worker.source.dropped


def speaker_of(channel: Channel) -> str:
    """Return the name of a participant who gave none."""
    return f"Speaker {channel.number}"


def _figures(channel: Channel, worker: SessionWorker | None) -> SessionFigures:
    return SessionFigures(
        number=channel.number,
        room=channel.topic.name,
        streaming=worker is not None,
        totals=worker.totals if worker else Totals(),
        dropped=worker.source.dropped if worker else DropCounts(),
    )


def _sum(several: Sequence[Totals]) -> Totals:
    return Totals(**{name: sum(getattr(totals, name) for totals in several) for name in Totals.model_fields})
