"""A live session that is recorded: what it analyzes is what is recorded, and in which order is noted.

What a live session tells depends on when transcripts come and which frames have been analyzed by then. So both take
effect only at moments that are noted: transcripts when the session takes its next step, frames between two steps. What
was found of an utterance while it went on rests on the moment when it was asked for; the one when it is told is noted.
In a room one lock orders the steps of all its sessions, because they share its dialog.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from stream.dialog.recognizer import Recognition
from stream.dialog.session_context import SessionContext
from stream.dialog.while_speaking import AsItComes
from stream.jpeg import JpegFrame, encode_jpeg, jpeg_size
from stream.live_models import LiveModels
from stream.media import AudioChunk, VideoFrame
from stream.recording.format import (
    AnalyzedFrameStep,
    EndStep,
    FrameStep,
    PollStep,
    SkippedFrameStep,
    SoundStep,
    SpeakingStep,
    TranscriptStep,
)
from stream.recording.matroska import Block, TrackNumber
from stream.recording.record import SessionRecord
from stream.session import Session
from stream.settings import Settings
from stream.speech.job_queue import AsrJob
from stream.speech.transcriber import Transcribe
from stream.speech.transcript import Transcript
from stream.vision.video_analyzer import Vision
from wire.events import Event, Totals
from wire.pcm import from_pcm, to_pcm

JPEG_QUALITY: Final = 90


class NumberedFrame(JpegFrame):
    """A frame of a recording, and which one of its session it is, from 0."""

    def __init__(self, time_ms: float, jpeg: bytes, number: int) -> None:
        super().__init__(time_ms, jpeg)
        self.number: Final = number


def as_jpeg(frame: VideoFrame) -> bytes:
    """Return a frame as JPEG: as it came, or encoded once."""
    return frame.jpeg if isinstance(frame, JpegFrame) else encode_jpeg(frame.image, JPEG_QUALITY)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A stretch that is being transcribed: ``inner`` is done when it is, ``outer`` when the session may know."""

    number: int
    start_ms: float
    inner: Future[Transcript]
    outer: Future[Transcript]


class DeferredTranscriber:
    """Hands on what was heard when :meth:`deliver` is called, and not before; for one session's thread.

    Args:
        submit: has stretches transcribed.
        note: is told of each delivery, just before it.
    """

    def __init__(self, submit: Transcribe, session: str, note: Callable[[TranscriptStep], None]) -> None:
        self._submit, self._session, self._note = submit, session, note
        self._asked: list[_Asked] = []
        self._count = 0

    def submit(self, job: AsrJob) -> Future[Transcript]:
        """Do as :meth:`stream.speech.transcriber.Transcriber.submit`; the future is done at a delivery."""
        inner = self._submit(job)
        outer: Future[Transcript] = Future()
        outer.add_done_callback(lambda done: inner.cancel() if done.cancelled() else None)
        self._asked.append(_Asked(self._count, job.start_ms, inner, outer))
        self._count += 1
        return outer

    def deliver(self) -> bool:
        """Hand on what has been heard, in the order in which it was asked; return whether there was anything."""
        self._asked = [asked for asked in self._asked if not asked.outer.cancelled()]
        ready = [asked for asked in self._asked if asked.inner.done()]
        for asked in ready:
            self._asked.remove(asked)
            step = self._step(asked)
            self._note(step)
            hand_on(step, asked.outer)
        return bool(ready)

    def wait(self) -> bool:
        """Wait until something has been heard; return False if nothing is being transcribed any more."""
        waiting = [asked.inner for asked in self._asked if not asked.outer.cancelled()]
        wait(waiting, return_when=FIRST_COMPLETED)
        return bool(waiting)

    def _step(self, asked: _Asked) -> TranscriptStep:
        if asked.inner.cancelled():
            return TranscriptStep(session=self._session, asked=asked.number, start_ms=asked.start_ms, dropped=True)
        error = asked.inner.exception()
        if error is not None:
            return TranscriptStep(session=self._session, asked=asked.number, start_ms=asked.start_ms, failed=str(error))
        return TranscriptStep.of(self._session, asked.number, asked.start_ms, asked.inner.result())


class NoTranscriptError(Exception):
    """A stretch could not be transcribed; the message is the one of whatever went wrong."""


def hand_on(step: TranscriptStep, future: Future[Transcript]) -> None:
    """Let a session know what was heard."""
    if step.dropped:
        future.cancel()
    elif step.failed is not None:
        future.set_exception(NoTranscriptError(step.failed))
    else:
        future.set_result(step.transcript)


class NotedPace(AsItComes):
    """Notes which results came in time, and when.

    Args:
        note: is told just before a result is.
    """

    def __init__(self, session: str, note: Callable[[SpeakingStep], None]) -> None:
        self._session, self._note = session, note

    def concluded(self, found: Recognition | None, /) -> None:
        """Note that a result counts from now on, or that there is none."""
        self._note(SpeakingStep(session=self._session, told=found is not None))


class RecordedSession:
    """Drives a live :class:`~stream.session.Session`, and notes all that has an effect on what it tells."""

    def __init__(
        self,
        models: LiveModels,
        settings: Settings,
        emit: Callable[[Event], None],
        *,
        speaker: str,
        context: SessionContext,
        record: SessionRecord,
    ) -> None:
        self.emit = emit
        self._id, self._record = record.id, record.record
        self._context = context
        self._offset_ms: float | None = None
        self._frames = 0
        self._transcriber = DeferredTranscriber(models.transcriber.submit, self._id, self._record.note)
        self._session = Session(
            models,
            settings,
            emit,
            speaker=speaker,
            live=True,
            context=context,
            transcribe=self._transcriber.submit,
            see=partial(Vision, witness=self),
            pace=NotedPace(self._id, self._record.note),
        )

    @property
    def totals(self) -> Totals:
        """Return what was done so far."""
        return self._session.totals

    def push(self, media: AudioChunk | VideoFrame) -> None:
        """Take the next sound or frame, as it is recorded."""
        if isinstance(media, VideoFrame):
            self._push_frame(media)
        else:
            self._push_sound(media)

    def poll(self) -> None:
        """Tell whatever has become ready since."""
        with self._record.order:
            if self._transcriber.deliver():
                self._record.note(PollStep(session=self._id))
            self._session.poll()

    def finish(self) -> Totals:
        """Tell all that is left and return the totals; others of the room go on while the last words are heard."""
        with self._record.order:
            self._transcriber.deliver()
            self._record.note(EndStep(session=self._id))
            self._session.end()
            self._session.poll()
        while self._transcriber.wait():
            self.poll()
        return self._session.finish()

    def close(self) -> None:
        """Take back what is not done, however the session ended; more calls do nothing."""
        self._session.close()

    @contextmanager
    def seen(self, frame: VideoFrame, interval_ms: int) -> Iterator[None]:
        """Note that a frame was analyzed, as the session's :class:`~stream.vision.video_analyzer.AnalysisObserver`."""
        with self._record.order:
            self._record.note(AnalyzedFrameStep(session=self._id, frame=_number(frame), interval_ms=interval_ms))
            yield

    @contextmanager
    def unseen(self, frame: VideoFrame, error: Exception | None) -> Iterator[None]:
        """Note that one was not."""
        failed = None if error is None else str(error)
        with self._record.order:
            self._record.note(SkippedFrameStep(session=self._id, frame=_number(frame), failed=failed))
            yield

    def _push_sound(self, chunk: AudioChunk) -> None:
        data = to_pcm(chunk.samples)
        samples = from_pcm(data)
        with self._record.order:
            self._transcriber.deliver()
            step = SoundStep(
                session=self._id, time_ms=chunk.time_ms, samples=len(samples), offset_ms=self._moved_offset()
            )
            self._record.add(self._id, Block(TrackNumber.SOUND, chunk.time_ms, data), step)
            self._session.push(AudioChunk(chunk.time_ms, samples))

    def _push_frame(self, frame: VideoFrame) -> None:
        data = as_jpeg(frame)
        with self._record.order:
            self._transcriber.deliver()
            number, self._frames = self._frames, self._frames + 1
            step = FrameStep(session=self._id, time_ms=frame.time_ms, frame=number, offset_ms=self._moved_offset())
            size = jpeg_size(data) if number == 0 else None
            self._record.add(self._id, Block(TrackNumber.FRAMES, frame.time_ms, data), step, size)
            self._session.push(NumberedFrame(frame.time_ms, data, number))

    def _moved_offset(self) -> float | None:
        """Return the offset to the room's time where it is not the one noted last; it changes only with media."""
        offset = self._context.offset_ms()
        if not self._context.session or offset == self._offset_ms:
            return None
        self._offset_ms = offset
        return offset


def _number(frame: VideoFrame) -> int:
    if not isinstance(frame, NumberedFrame):
        message = "a frame that was not recorded"
        raise TypeError(message)
    return frame.number
