"""A recorded session that goes through its steps again: what was timing then is read from the record."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from models.runtime.runtime import Runtime
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.live_models import LiveModels
from stream.media import AudioChunk, Samples, VideoFrame
from stream.recording.format import (
    AnalyzedFrameStep,
    EndStep,
    FrameStep,
    PollStep,
    SessionEntry,
    SkippedFrameStep,
    SoundStep,
    TranscriptStep,
)
from stream.recording.reader import Taken
from stream.recording.session import NoTranscriptError, NumberedFrame, hand_on
from stream.session import Session
from stream.settings import Settings, VisionSettings
from stream.speech.transcriber import AsrFigures
from stream.speech.transcript import Transcript
from stream.vision.video_analyzer import FaceAnalyzer, Seen, VisionCounts
from wire.events import Event, Faces
from wire.pcm import from_pcm

_PATIENCE_MS: Final = 600_000  # no frame that was analyzed then is too late now


class NoFrameError(Exception):
    """A frame could not be analyzed; the message is the one of whatever went wrong."""


class RecordedTranscripts:
    """Stands in for speech recognition: what was heard is in the record."""

    name = "the recording"
    figures = AsrFigures()
    hangs = False

    def __init__(self) -> None:
        self._asked: list[tuple[float, Future[Transcript]]] = []
        self.strayed = 0

    def check_language(self, language: str | None) -> None:
        """Do nothing: whoever heard knew it."""

    def submit(
        self,
        samples: Samples,  # noqa: ARG002 - heard already
        start_ms: float,
        *,
        language: str | None = None,  # noqa: ARG002 - as above
        partial: bool = False,  # noqa: ARG002 - as above
        session: str = "",  # noqa: ARG002 - as above
    ) -> Future[Transcript]:
        """Return the transcript that a later step delivers."""
        future: Future[Transcript] = Future()
        self._asked.append((start_ms, future))
        return future

    def deliver(self, step: TranscriptStep) -> None:
        """Hand on what was heard; of a stretch that is another now, or that nobody asked for, it is counted."""
        start_ms, future = self._asked[step.asked] if step.asked < len(self._asked) else (None, None)
        if future is None or future.done() or start_ms != step.start_ms:
            self.strayed += 1
        else:
            hand_on(step, future)

    def close(self) -> None:
        """Let nobody wait for words that the record does not have."""
        for _, future in self._asked:
            if not future.done():
                future.set_exception(NoTranscriptError("the recording has no words for it"))


class RecordedVideoAnalyzer:
    """Stands in for :class:`~stream.vision.video_analyzer.Vision`: analyzes the frames that were, when they were."""

    def __init__(
        self,
        analyzer: FaceAnalyzer,
        settings: VisionSettings,  # noqa: ARG002 - decided which frames to analyze
        emit: Callable[[Faces], None],
        failed: Callable[[Exception], None],
        *,
        live: bool,  # noqa: ARG002 - as above
    ) -> None:
        self._analyzer, self._emit, self._failed = analyzer, emit, failed
        self._waiting: dict[int, NumberedFrame] = {}
        self.counts = VisionCounts()

    def push(self, frame: VideoFrame) -> None:
        """Keep a frame until it is analyzed."""
        if isinstance(frame, NumberedFrame):
            self._waiting[frame.number] = frame

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance."""
        return self._analyzer.between(start_ms, end_ms)

    def close(self) -> None:
        """Wait for nothing."""

    def stop(self) -> None:
        """Wait for nothing."""

    def seen(self, step: AnalyzedFrameStep) -> None:
        """Analyze a frame."""
        analyzed = self._analyzer.analyze(self._waiting.pop(step.frame))
        self._analyzer.keep(analyzed)
        self._emit(analyzed.faces.model_copy(update={"interval_ms": step.interval_ms}))

    def unseen(self, step: SkippedFrameStep) -> None:
        """Pass over a frame, as it was."""
        self._analyzer.forget()
        if step.failed is not None:
            self._failed(NoFrameError(step.failed))


@dataclass(slots=True)
class _Offset:
    """From the session's time to its room's."""

    ms: float = 0.0

    def now(self) -> float:
        return self.ms


@dataclass(slots=True)
class _Eyes:
    """Keeps the eyes that are made for a session within reach."""

    made: list[RecordedVideoAnalyzer] = field(default_factory=list)

    def __call__(
        self,
        analyzer: FaceAnalyzer,
        settings: VisionSettings,
        emit: Callable[[Faces], None],
        failed: Callable[[Exception], None],
        *,
        live: bool,
    ) -> RecordedVideoAnalyzer:
        self.made.append(RecordedVideoAnalyzer(analyzer, settings, emit, failed, live=live))
        return self.made[-1]


class ReplayedSession:
    """Takes a session's recorded steps, one after the other.

    Args:
        dialog: shared with the other sessions of its room.
        emit: gets what the session tells.
    """

    def __init__(
        self, entry: SessionEntry, runtime: Runtime, dialog: SharedDialog, emit: Callable[[Event], None]
    ) -> None:
        settings = _patient(entry.settings.whole())
        self._transcripts = RecordedTranscripts()
        self._offset = _Offset()
        eyes = _Eyes()
        self._session = Session(
            LiveModels(runtime, self._transcripts, settings.vision),
            settings,
            emit,
            speaker=entry.speaker,
            live=True,
            context=SessionContext(dialog)
            if entry.alone
            else SessionContext(dialog, entry.id, self._offset.now, entry.person),
            see=eyes,
        )
        self._video = eyes.made[0]

    @property
    def strayed(self) -> int:
        """How many recorded transcripts belong to stretches that were not cut this time."""
        return self._transcripts.strayed

    def take(self, taken: Taken) -> None:
        """Do one step again."""
        step = taken.step
        match step:
            case SoundStep():
                self._move(step.offset_ms)
                self._session.push(AudioChunk(step.time_ms, from_pcm(taken.data)))
            case FrameStep():
                self._move(step.offset_ms)
                self._take_frame(step, taken.data)
            case PollStep():
                self._session.poll()
            case EndStep():
                self._session.end()
                self._session.poll()
            case TranscriptStep():
                self._transcripts.deliver(step)
            case AnalyzedFrameStep():
                self._video.seen(step)
            case SkippedFrameStep():
                self._video.unseen(step)

    def close(self) -> None:
        """Let go of what still waits."""
        self._transcripts.close()
        self._session.close()

    def _take_frame(self, step: FrameStep, data: bytes) -> None:
        if data:
            self._session.push(NumberedFrame(step.time_ms, data, step.frame))
        else:  # never analyzed: all it did was to let the session go on
            self._session.poll()

    def _move(self, offset_ms: float | None) -> None:
        if offset_ms is not None:
            self._offset.ms = offset_ms


def _patient(settings: Settings) -> Settings:
    vision = settings.vision.model_copy(update={"deadline_ms": _PATIENCE_MS})
    return settings.model_copy(update={"vision": vision})
