"""The body of ``/v1/status``: what the dashboard shows; no transcript, no emotion of anybody, no participant's name."""

from pydantic import BaseModel, Field

from models.runtime.fallback import Fallback
from serving.telemetry.event_tally import STAGES
from serving.telemetry.figures import Figures, RoomFigures, SessionFigures


class Limited(BaseModel):
    """How many there are, of how many there may be."""

    now: int
    limit: int


class SessionStatus(BaseModel):
    """One session that is open; ``room`` is empty where it is in none."""

    number: int
    room: str
    streaming: bool = Field(description="it has sent media")
    media_s: float
    utterances: int
    video_frames: int
    analyzed_frames: int
    dropped: int = Field(description="pieces of sound and frames that were lost")


class StageStatus(BaseModel):
    """What a stage took in the last utterances, from the end of speech to the first emotion."""

    stage: str
    p50_ms: float
    p95_ms: float


class DropStatus(BaseModel):
    """What was lost or left out since the start."""

    what: str
    reason: str
    count: int


class NetworkStatus(BaseModel):
    """What a network has computed since the start."""

    network: str
    requests: int
    batches: int
    mean_ms: float = Field(description="for a batch")
    dropped: int


class EngineStatus(BaseModel):
    """What computes the networks."""

    name: str
    building: str | None
    bundle: str
    waiting: int
    fallbacks: list[Fallback]
    networks: list[NetworkStatus]


class SpeechStatus(BaseModel):
    """Speech recognition since the start; ``busy`` is the share of its time in which it worked."""

    model: str
    waiting: int
    heard: int
    heard_again: int
    failed: int
    sound_s: float
    busy: float


class LoopStatus(BaseModel):
    """By how much the event loop was late since the start."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class ServerStatus(BaseModel):
    """How the server stands."""

    ready: bool
    reason: str = Field(description="why it is not ready")
    uptime_s: float
    sessions: Limited
    watchers: Limited
    rooms: Limited
    open_sessions: list[SessionStatus]
    open_rooms: list[RoomFigures]
    utterances: int
    emotions: int = Field(description="told so far after the end of speech, revisions included")
    uncertain: int = Field(description="emotions of these that were not sure")
    latency: list[StageStatus]
    dropped: list[DropStatus]
    errors: dict[str, int]
    warnings: dict[str, int]
    engine: EngineStatus
    speech: SpeechStatus
    event_loop: LoopStatus


def server_status(now: Figures) -> ServerStatus:
    """Return what is told of a server."""
    return ServerStatus(
        ready=now.not_ready is None,
        reason=now.not_ready or "",
        uptime_s=round(now.uptime_s, 1),
        sessions=Limited(now=len(now.sessions), limit=now.limits.max_sessions),
        watchers=Limited(now=now.watchers, limit=now.limits.max_watchers),
        rooms=Limited(now=len(now.rooms), limit=now.limits.max_rooms),
        open_sessions=[_session(one) for one in now.sessions],
        open_rooms=list(now.rooms),
        utterances=now.totals.utterances,
        emotions=sum(count for (_, stage), count in now.events.emotions.items() if stage != "speaking"),
        uncertain=sum(count for stage, count in now.events.uncertain.items() if stage != "speaking"),
        latency=_latency(now),
        dropped=[DropStatus(what=what, reason=reason, count=count) for (what, reason), count in _lost(now).items()],
        errors=dict(now.events.errors),
        warnings=dict(now.events.warnings),
        engine=_engine(now),
        speech=_speech(now),
        event_loop=LoopStatus(
            p50_ms=round(now.lag.percentile_ms(50), 1),
            p99_ms=round(now.lag.percentile_ms(99), 1),
            max_ms=round(now.lag.max_ms, 1),
        ),
    )


def _session(one: SessionFigures) -> SessionStatus:
    lost = one.dropped.audio_chunks + one.dropped.video_frames
    return SessionStatus(
        number=one.number,
        room=one.room,
        streaming=one.streaming,
        media_s=round(one.totals.duration_ms / 1000, 1),
        utterances=one.totals.utterances,
        video_frames=one.totals.video_frames,
        analyzed_frames=one.totals.analyzed_frames,
        dropped=lost + one.totals.dropped_video_frames + one.totals.dropped_audio_chunks,
    )


def _latency(now: Figures) -> list[StageStatus]:
    recent = now.events.recent
    return [
        StageStatus(stage=stage, p50_ms=recent[stage].p50_ms, p95_ms=recent[stage].p95_ms)
        for stage in STAGES
        if stage in recent
    ]


def _lost(now: Figures) -> dict[tuple[str, str], int]:
    """Return what was lost or left out, inputs of the networks included."""
    return now.losses() | {(f"{network}_input", reason): n for (network, reason), n in now.models.dropped.items()}


def _engine(now: Figures) -> EngineStatus:
    models = now.models
    return EngineStatus(
        name=models.engine.name,
        building=models.engine.building,
        bundle=models.bundle,
        waiting=sum(models.waiting.values()),
        fallbacks=list(models.fallbacks),
        networks=[
            NetworkStatus(
                network=network,
                requests=figures.requests,
                batches=figures.batches,
                mean_ms=round(figures.seconds / figures.batches * 1000, 1),
                dropped=sum(lost for (of, _), lost in models.dropped.items() if of == network),
            )
            for network, figures in models.computed.items()
        ],
    )


def _speech(now: Figures) -> SpeechStatus:
    asr = now.models.asr
    return SpeechStatus(
        model=now.models.asr_name,
        waiting=asr.waiting + asr.waiting_partials,
        heard=asr.done.get("final", 0) + asr.done.get("partial", 0),
        heard_again=asr.again.requests,
        failed=asr.done.get("failed", 0) + asr.done.get("timeout", 0),
        sound_s=round(asr.sound_s, 1),
        busy=round((asr.first.seconds + asr.again.seconds) / max(now.uptime_s, 1.0), 3),
    )
