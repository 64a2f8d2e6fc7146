"""How a server stands at one moment, put together when somebody asks; /metrics and /v1/status are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.telemetry.event_tally import EventFigures
from serving.telemetry.loop_lag import LagCounts
from stream.live_models import ModelFigures
from stream.media import DropCounts
from stream.settings import ServerSettings
from wire.events import Totals


@dataclass(frozen=True)
class SessionFigures:
    """One session that is open: its number, its room ("" where it is in none), what it did, what its source dropped."""

    number: int
    room: str
    streaming: bool
    totals: Totals
    dropped: DropCounts


@dataclass(frozen=True)
class RoomFigures:
    """One room: how many are in it; nobody where it is only remembered."""

    name: str
    participants: int
    recording: bool


@dataclass(frozen=True)
class Figures:
    """Everything that is told of a server.

    Attributes:
        not_ready: why no session is accepted, None where one is.
        backlogs: messages that wait for each connection.
        totals: of all sessions since the start.
        dropped: by :meth:`serving.sessions.registry.SessionRegistry.dropped`, and connections that waited to be let in.
        lag: of the event loop.
        broken: threads and tasks that broke, by what they are.
    """

    uptime_s: float
    not_ready: str | None
    limits: ServerSettings
    sessions: Sequence[SessionFigures]
    rooms: Sequence[RoomFigures]
    watchers: int
    backlogs: Sequence[int]
    totals: Totals
    dropped: Mapping[str, int]
    events: EventFigures
    models: ModelFigures
    lag: LagCounts
    broken: Mapping[str, int]

    def losses(self) -> dict[tuple[str, str], int]:
        """Return what was lost or left out since the start, by what it was and why."""
        totals, late = self.totals, self.totals.late_video_frames
        return {
            ("connection", "too_many_wait"): self.dropped["connections"],
            ("event", "slow_connection"): self.dropped["events"],
            ("preview", "slow_connection"): self.dropped["previews"],
            ("audio_chunk", "session_behind"): self.dropped["audio_chunks"],
            ("video_frame", "session_behind"): self.dropped["video_frames"],
            ("video_frame", "newer_one_came"): totals.dropped_video_frames - late,
            ("video_frame", "late"): late,
            ("video_frame", "passed_over"): totals.passed_over_frames,
            ("partial_transcript", "not_in_time"): totals.skipped_partials,
            ("provisional_emotion", "not_in_time"): totals.skipped_provisional,
            ("transcript", "not_believed"): totals.rejected_transcripts + totals.doubted_transcripts,
        }


def why_not_ready(*, stopping: bool, sessions: int, limit: int, hanging: str | None = None) -> str | None:
    """Return why no further session should come here, None where one may; ``hanging`` is what does not answer."""
    if stopping:
        return "the server is stopping"
    if hanging is not None:
        return f"{hanging} does not answer"
    if sessions >= limit:
        return f"the server is full: it has {sessions} sessions (server.max_sessions is {limit})"
    return None
