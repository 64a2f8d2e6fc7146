"""A file heard live without waiting: what a machine gives that is fast enough."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stream.live_models import LiveModels
from stream.media import Media, SourceStatus, VideoFrame
from stream.pipeline import run_session
from stream.session import Session
from stream.settings import Settings
from stream.sources.file import FileSource
from stream.speech.job_queue import AsrJob
from stream.speech.transcript import Transcript
from stream.vision.video_analyzer import FrameAnalysis, Vision
from wire.events import Event

SPEAKER: Final = "Speaker"


@dataclass(frozen=True)
class Told:
    """An event, and how much media had come when it was told: the time it would have been, had nothing taken time."""

    at_ms: float
    event: Event


class _Clock:
    """How much media has come."""

    def __init__(self) -> None:
        self.now_ms = 0.0

    def see(self, media: Media) -> None:
        """Go on with the media just read."""
        if not isinstance(media, SourceStatus):
            self.now_ms = max(self.now_ms, media.time_ms if isinstance(media, VideoFrame) else media.end_ms)


def told_live(path: Path, models: LiveModels, settings: Settings) -> list[Told]:
    """Return what a live session tells of a file whose recognition answers at once and that misses no frame."""
    told: list[Told] = []
    clock = _Clock()

    def at_once(job: AsrJob) -> Future[Transcript]:
        future = models.transcriber.submit(job)
        future.exception()
        return future

    def patient(task: FrameAnalysis) -> Vision:
        return Vision(replace(task, live=False))

    def emit(event: Event) -> None:
        told.append(Told(clock.now_ms, event))

    session = Session(models, settings, emit, speaker=SPEAKER, live=True, transcribe=at_once, see=patient)
    source = FileSource(path, max_fps=settings.vision.frames_a_second(live=False))
    run_session(source, session, threading.Event(), [clock.see])
    return told
