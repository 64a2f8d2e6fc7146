"""A recorded session that goes through its steps again: what was timing then is read from the record."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from models.runtime.runtime import Runtime
from stream.dialog.recognizer import Recognition
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.steps import Run
from stream.live_models import LiveModels
from stream.media import AudioChunk, VideoFrame
from stream.recording.format import (
    AnalyzedFrameStep,
    EndStep,
    FrameStep,
    PollStep,
    SessionEntry,
    SkippedFrameStep,
    SoundStep,
    SpeakingStep,
    TranscriptStep,
)
from stream.recording.reader import Taken
from stream.recording.session import NoTranscriptError, NumberedFrame, hand_on
from stream.session import Session
from stream.settings import Settings
from stream.speech.job_queue import AsrJob, PackJob
from stream.speech.transcriber import AsrFigures
from stream.speech.transcript import Transcript
from stream.vision.face_analyzer import Seen
from stream.vision.video_analyzer import FrameAnalysis, VideoAnalyzer, VisionCounts
from wire.events import Event
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
        self._asked: list[AsrJob] = []
        self.strayed = 0

    def check_language(self, language: str | None) -> None:
        """Do nothing: whoever heard knew it."""

    def submit(self, job: AsrJob) -> Future[Transcript]:
        """Return the transcript that a later step delivers."""
        self._asked.append(job)
        return job.future

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        """Leave all in doubt: what is recorded is live, where each utterance is heard alone."""
        job.future.set_result([None] * len(job.pack.sounds))
        return job.future

    def deliver(self, step: TranscriptStep) -> None:
        """Hand on what was heard; of a stretch that is another now, or that nobody asked for, it is counted."""
        job = self._asked[step.asked] if step.asked < len(self._asked) else None
        if job is None or job.future.done() or job.start_ms != step.start_ms:
            self.strayed += 1
        else:
            hand_on(step, job.future)

    def close(self) -> None:
        """Let nobody wait for words that the record does not have."""
        for job in self._asked:
            if not job.future.done():
                job.future.set_exception(NoTranscriptError("the recording has no words for it"))


class RecordedVideoAnalyzer:
    """Stands in for :class:`~stream.vision.video_analyzer.Vision`: analyzes the frames that were, when they were."""

    def __init__(self, task: FrameAnalysis) -> None:
        self._analyzer, self._emit, self._failed = task.analyzer, task.emit, task.failed
        self._waiting: dict[int, NumberedFrame] = {}
        self.counts = VisionCounts()

    def push(self, frame: VideoFrame) -> None:
        """Keep a frame until it is analyzed."""
        if isinstance(frame, NumberedFrame):
            self._waiting[frame.number] = frame

    def during(self, sound: AudioChunk) -> Seen:
        """Return what was seen of an utterance, given its sound."""
        return self._analyzer.during(sound)

    def close(self) -> None:
        """Wait for nothing."""

    def stop(self) -> None:
        """Wait for nothing."""

    def seen(self, step: AnalyzedFrameStep) -> None:
        """Analyze a frame."""
        *between, frame = self._taken_up(step.frame)
        analyzed = self._analyzer.analyze(frame, between)
        self._analyzer.keep(analyzed)
        self._emit(analyzed.faces.model_copy(update={"interval_ms": step.interval_ms}))

    def unseen(self, step: SkippedFrameStep) -> None:
        """Pass over a frame, as it was."""
        self._taken_up(step.frame)
        self._analyzer.forget()
        if step.failed is not None:
            self._failed(NoFrameError(step.failed))

    def _taken_up(self, number: int) -> list[NumberedFrame]:
        """Return the frames since the last that was taken up, to this one; nobody asks for them again."""
        return [self._waiting.pop(each) for each in sorted(self._waiting) if each <= number]


class RecordedPace:
    """Lets count what was found while somebody spoke when it did then; nothing is computed that did not count."""

    def __init__(self) -> None:
        self._told: bool | None = None

    def is_over(self, run: Run[Recognition]) -> bool:
        """Compute what was told then, give up what was given up; return whether it is the moment."""
        if self._told is None:
            return False
        if self._told:
            run.finish()
        else:
            run.cancel()
        return True

    def concluded(self, _: Recognition | None, /) -> None:
        """Wait for the next moment."""
        self._told = None

    def due(self, step: SpeakingStep) -> None:
        """Let what is sought now be over."""
        self._told = step.told


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
        self._transcripts, self._pace = RecordedTranscripts(), RecordedPace()
        self._offset_ms = 0.0
        in_room = SessionContext(dialog, entry.id, lambda: self._offset_ms, entry.person)
        self._session = Session(
            LiveModels(runtime, self._transcripts, settings.vision),
            settings,
            emit,
            speaker=entry.speaker,
            live=True,
            context=SessionContext(dialog) if entry.alone else in_room,
            see=self._watch,
            pace=self._pace,
        )

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
            case SpeakingStep():
                self._pace.due(step)
                self._session.speak()

    def close(self) -> None:
        """Let go of what still waits."""
        self._transcripts.close()
        self._session.close()

    def _watch(self, task: FrameAnalysis) -> VideoAnalyzer:
        self._video = RecordedVideoAnalyzer(task)
        return self._video

    def _take_frame(self, step: FrameStep, data: bytes) -> None:
        if data:
            self._session.push(NumberedFrame(step.time_ms, data, step.frame))
        else:  # never looked at: all it did was to let the session go on
            self._session.poll()

    def _move(self, offset_ms: float | None) -> None:
        if offset_ms is not None:
            self._offset_ms = offset_ms


def _patient(settings: Settings) -> Settings:
    vision = settings.vision.model_copy(update={"deadline_ms": _PATIENCE_MS})
    return settings.model_copy(update={"vision": vision})
