"""The sound's half of a session: where utterances begin, go on and end, what is told of that, and what is asked for."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from models.runtime.runtime import Branch, Runtime
from stream.dialog.pending import PendingUtterances
from stream.dialog.session_context import SessionContext
from stream.dialog.while_speaking import SoFar
from stream.media import AudioChunk
from stream.settings import Settings
from stream.speakers.who import Who
from stream.speech.job_queue import AsrJob
from stream.speech.partials import Partials
from stream.speech.segmenter import (
    Discarded,
    LikelyEnd,
    Segment,
    Segmenter,
    SegmentEvent,
    SpeechResumed,
    SpeechStart,
    UtteranceEnd,
)
from stream.speech.sound_intake import SoundIntake
from stream.speech.transcriber import Transcribe
from stream.speech.transcript import Transcript
from wire import events
from wire.events import Event


class Utterances:
    """Cuts sound into utterances; those that have ended, or likely have, are :attr:`pending`.

    Args:
        transcribe: lines up sound for its words.
        emit: gets the events.
        who: tells who speaks.
        session: whose requests these are, for speech recognition and the runtime.
    """

    def __init__(
        self,
        transcribe: Transcribe,
        runtime: Runtime,
        settings: Settings,
        context: SessionContext,
        emit: Callable[[Event], None],
        *,
        who: Who,
        session: str,
    ) -> None:
        self._submit, self._runtime, self._settings, self._context = transcribe, runtime, settings, context
        self._emit, self._session, self._who = emit, session, who
        self._intake = SoundIntake(emit)
        self._segmenter = Segmenter(settings.segmenter, self._intake.detector)
        transcribe = partial(self._transcribe, partial=True)
        self._partials = Partials(self._segmenter, transcribe, settings.transcriber.partial_interval_ms)
        self.pending = PendingUtterances(self._transcribe, self._voice)
        self._now_ms = 0.0

    @property
    def skipped_partials(self) -> int:
        """Return how often the words so far were asked for and not told."""
        return self._partials.skipped

    def so_far(self) -> SoFar | None:
        """Return the utterance that goes on, None while nobody speaks or it has likely ended."""
        opened = self._partials.open
        if opened is None or self.pending.early is not None:
            return None
        words, hearing = self._partials.text, self._partials.hearing
        return SoFar(opened.utterance, opened.start_ms, self._now_ms, words, hearing)

    def sound_so_far(self) -> Segment | None:
        """Return its sound up to now."""
        return self._segmenter.open_segment()

    def push(self, chunk: AudioChunk) -> None:
        """Take the next sound."""
        self._now_ms = chunk.end_ms
        self._handle(self._segmenter.push(self._intake.filtered(chunk)))
        if self.pending.early is None:
            self._follow_voice()
            self._partials.ask(self._now_ms)

    def poll(self) -> None:
        """Tell the words so far, once they are there, and cut the utterance at the sentences that they show."""
        heard = self._partials.take()
        if heard is None:
            return
        self._handle(self._segmenter.words(heard.transcript.words, whole=heard.whole))
        opened = self._partials.open
        if opened is not None and (text := self._partials.said(heard)):
            self._emit(
                events.TranscriptPartial(
                    utterance=opened.utterance,
                    speaker=self._who.so_far(opened.start_ms, self._now_ms),
                    start_ms=round(opened.start_ms),
                    room_start_ms=round(self._context.room_ms(opened.start_ms)),
                    text=text,
                )
            )

    def end(self) -> None:
        """Take the end of the sound, which ends the utterance in progress."""
        self._partials.drop()
        self._handle(self._segmenter.finish())
        self._intake.warn(spoken=False, ended=True)

    def cancel(self) -> None:
        """Take back whatever was asked for."""
        self._partials.drop()
        self._who.cancel()
        self.pending.cancel()

    def _handle(self, segment_events: list[SegmentEvent]) -> None:
        for event in segment_events:
            match event:
                case SpeechStart():
                    self._started(event)
                case LikelyEnd():
                    self._likely_ended(event)
                case SpeechResumed():
                    self._resumed(event.utterance)
                case UtteranceEnd():
                    self._ended(event)
                case Discarded():
                    self._discarded(event)

    def _follow_voice(self) -> None:
        """Cut the utterance in progress where another began to speak in it."""
        opened = self._partials.open
        if opened is None:
            return
        changed_ms = self._who.follow(opened.start_ms, self._segmenter.spoken_ms, self._segmenter.between)
        if changed_ms is not None:
            self._handle(self._segmenter.change(changed_ms))

    def _started(self, event: SpeechStart) -> None:
        self._partials.start(event)
        self._who.begin(event.start_ms)
        self._emit(
            events.SpeechStarted(
                utterance=event.utterance,
                speaker=self._who.so_far(event.start_ms, self._now_ms),
                start_ms=round(event.start_ms),
                room_start_ms=round(self._context.room_ms(event.start_ms)),
            )
        )

    def _likely_ended(self, event: LikelyEnd) -> None:
        """Begin on suspicion."""
        self._partials.drop()
        self._who.end(event.segment.end_ms, event.segment.between)
        self.pending.begin(event.segment, None, self._settings.segmenter.likely_end_ms, final=False)

    def _resumed(self, utterance: int) -> None:
        early = self.pending.withdraw(utterance)
        if early is not None and early.told:
            self._emit(events.UtteranceResumed(utterance=utterance))

    def _ended(self, event: UtteranceEnd) -> None:
        segment = event.segment
        self._partials.drop()
        self._intake.warn(spoken=True, ended=False)
        self._partials.end(segment.utterance)
        if self.pending.confirm(segment):
            return
        self._who.end(segment.end_ms, segment.between)
        self._resumed(segment.utterance)
        silent = event.reason == "silence"
        waited_ms = self._settings.segmenter.confirmed_end_ms if silent else max(0.0, self._now_ms - segment.end_ms)
        self.pending.begin(segment, event.words, waited_ms, final=True)

    def _discarded(self, event: Discarded) -> None:
        self.pending.withdraw(event.utterance)
        self._who.forget(event.utterance)
        if self._partials.end(event.utterance):
            self._partials.drop()
        self._emit(events.UtteranceDiscarded(utterance=event.utterance, reason=event.reason))

    def _transcribe(self, segment: Segment, *, partial: bool = False) -> Future[Transcript]:
        language = self._settings.transcriber.language
        return self._submit(
            AsrJob(segment.samples, segment.start_ms, language=language, partial=partial, session=self._session)
        )

    def _voice(self, segment: Segment) -> "Future[Branch | None]":
        return self._runtime.audio(segment.samples, session=self._session)
