"""One participant's pipeline: media in, events out.

A session is driven by one thread, which calls :meth:`Session.push` and :meth:`Session.poll`. Speech
recognition and the networks run in workers that all sessions share; offline the session waits for them
where a result decides what comes next, so that a file gives the same result on any machine.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from models.media.high_pass import HighPass
from models.runtime.runtime import Branch
from stream.dialog.absence import Absences
from stream.dialog.dialog import DialogUtterance
from stream.dialog.recognizer import Kept, NoEmotionError, Recognition, Recognizer
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.engine_news import EngineWarnings
from stream.live_models import LiveModels
from stream.media import AudioChunk, VideoFrame
from stream.settings import Settings
from stream.speech.belief import Belief
from stream.speech.loudness import LevelledDetector
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
from stream.speech.sound_check import SoundCheck
from stream.speech.transcript import Transcript, Word
from stream.speech.vad import SpeechDetector
from stream.vision.video_analyzer import FaceAnalyzer, MakeVideoAnalyzer, Vision
from wire import events
from wire.events import Event, Latency, Totals, UtteranceKey

Emit = Callable[[Event], None]

_PARTIAL_MS: Final = 20_000  # of an utterance that goes on are heard for its words so far, however long it may become
_WAITING_OFFLINE: Final = 4  # utterances in recognition before a file's reading pauses
FAILED: Final = "failed"  # why an utterance is discarded whose emotion could not be found
_NO_WORDS: Final = Transcript("", (), "")


@dataclass(eq=False)
class _Pending:
    """An utterance that has ended, or likely has, on its way to its emotion."""

    segment: Segment
    transcript: Future[Transcript]
    audio: Future[Branch | None]
    ended_at: float
    endpoint_ms: float
    asked_at: float
    final: bool
    heard: Transcript | None = None
    heard_at: float = 0.0
    recognition: Recognition | None = None
    emitted: int = 0


class Session:
    """Cuts a participant's media into utterances and tells the emotion of each, in their order.

    Args:
        emit: gets every event; called from the session's thread, and ``faces`` from its vision thread.
        live: media comes at its own pace, so results are told early and frames may be skipped.
        context: its place in a conversation with others; without it the session is one of its own.
        see: makes what analyzes the frames.

    Raises:
        ValueError: the speech model does not know the language of the settings.
    """

    def __init__(
        self,
        models: LiveModels,
        settings: Settings,
        emit: Emit,
        *,
        speaker: str,
        live: bool,
        context: SessionContext | None = None,
        see: MakeVideoAnalyzer = Vision,
    ) -> None:
        models.check_language(settings.transcriber.language)
        self._models, self._settings, self.emit = models, settings, emit
        self._speaker, self._live = speaker, live
        self._high_pass = HighPass()
        self._sound = SoundCheck()
        self._segmenter = Segmenter(settings.segmenter, LevelledDetector(SpeechDetector(), self._sound.window))
        self._key = uuid4().hex  # tells the runtime whose requests are whose
        self._context = context or SessionContext(SharedDialog(settings.dialog.window))
        self._absences = Absences(self.emit)
        self._recognizer = Recognizer(models.runtime, self._context.dialog, session=self._key, unread=self._not_read)
        deadline_ms = settings.vision.deadline_ms if live else None
        analyzer = FaceAnalyzer(
            models.detector(session=self._key, deadline_ms=deadline_ms),
            models.runtime,
            detect_every=settings.vision.detect_every,
            session=self._key,
            deadline_ms=deadline_ms,
        )
        self._vision = see(analyzer, settings.vision, emit, self._vision_failed, live=live)
        self._pending: deque[_Pending] = deque()
        self._partial: tuple[Segment, Future[Transcript]] | None = None
        self._said: tuple[Word, ...] = ()  # of the utterance in progress, as told last
        self._open: SpeechStart | None = None
        self._partial_due_ms = 0.0
        self._now_ms = 0.0
        self._end_ms = 0.0
        self._utterances = self._audio_chunks = self._video_frames = self._skipped_partials = self._rejected = 0
        self._engine_news = EngineWarnings()
        self._belief = Belief()
        self._ended_media = self._finished = False

    def push(self, media: AudioChunk | VideoFrame) -> None:
        """Take the next sound or frame, and tell whatever is ready."""
        if isinstance(media, VideoFrame):
            self._video_frames += 1
            self._end_ms = max(self._end_ms, media.time_ms)
            self._vision.push(media)
        else:
            self._audio_chunks += 1
            self._now_ms = media.end_ms
            self._end_ms = max(self._end_ms, media.end_ms)
            self._sound.take(media.samples)
            self._handle(self._segmenter.push(replace(media, samples=self._high_pass(media.samples))))
            self._ask_partial()
        self.poll()

    def poll(self) -> None:
        """Tell whatever has become ready since; called also while no media comes."""
        self._tell_engine()
        self._take_partial()
        self._conclude(wait=not self._live and len(self._pending) > _WAITING_OFFLINE)

    def end(self) -> None:
        """Take the end of the media, which ends the utterance in progress; its emotion is told by :meth:`poll`."""
        if not self._ended_media:
            self._ended_media = True
            self._drop_partial()
            self._handle(self._segmenter.finish())
            self._tell_sound(spoken=False, ended=True)

    def finish(self) -> Totals:
        """End the utterance in progress, tell all that is left and return the totals; later calls only return them."""
        if not self._finished:
            self._finished = True
            try:
                self.end()
                self._conclude(wait=True)
                self._vision.close()
                self._tell_engine()
            finally:
                self.close()
        return self.totals

    def close(self) -> None:
        """Take back what is not done and end the vision thread, however the session ended; more calls do nothing."""
        self._finished = True
        self._drop_partial()
        while self._pending:
            left = self._pending.pop()
            left.transcript.cancel()
            left.audio.cancel()
        self._vision.stop()

    @property
    def totals(self) -> Totals:
        """Return what was done so far."""
        seen = self._vision.counts
        return Totals(
            duration_ms=round(self._end_ms),
            utterances=self._utterances,
            audio_chunks=self._audio_chunks,
            video_frames=self._video_frames,
            analyzed_frames=seen.analyzed,
            followed_frames=seen.followed,
            passed_over_frames=seen.passed_over,
            dropped_video_frames=seen.skipped + seen.late,
            late_video_frames=seen.late,
            skipped_partials=self._skipped_partials,
            rejected_transcripts=self._rejected,
            doubted_transcripts=self._belief.doubted,
        )

    # ---------------------------------------------------------------------------------- segments

    def _handle(self, segment_events: list[SegmentEvent]) -> None:
        for event in segment_events:
            match event:
                case SpeechStart():
                    self._started(event)
                case LikelyEnd():
                    self._likely_ended(event)
                case SpeechResumed():
                    self._resumed(event)
                case UtteranceEnd():
                    self._ended(event)
                case Discarded():
                    self._discarded(event.utterance, event.reason)

    def _started(self, event: SpeechStart) -> None:
        self._open = event
        self._said = ()
        self._partial_due_ms = event.start_ms + self._partial_interval_ms
        self.emit(
            events.SpeechStarted(
                utterance=event.utterance,
                speaker=self._speaker,
                start_ms=round(event.start_ms),
                room_start_ms=round(self._context.room_ms(event.start_ms)),
            )
        )

    def _likely_ended(self, event: LikelyEnd) -> None:
        """Begin on suspicion; offline nothing is won by it."""
        if self._live:
            self._drop_partial()
            self._begin(event.segment, None, self._settings.segmenter.likely_end_ms, final=False)

    def _resumed(self, event: SpeechResumed) -> None:
        early = self._withdraw(event.utterance)
        if early is not None and early.emitted:
            self.emit(events.UtteranceResumed(utterance=event.utterance))

    def _withdraw(self, utterance: int) -> _Pending | None:
        """Take back an early result, in work or told."""
        if not self._pending or self._pending[-1].final or self._pending[-1].segment.utterance != utterance:
            return None
        early = self._pending.pop()
        early.transcript.cancel()
        return early

    def _ended(self, event: UtteranceEnd) -> None:
        self._drop_partial()
        self._tell_sound(spoken=True, ended=False)
        if self._open is not None and self._open.utterance == event.segment.utterance:
            self._open = None
        early = self._pending[-1] if self._pending else None
        if early is not None and not early.final and _same(early.segment, event.segment):
            early.final = True
            return
        self._resumed(SpeechResumed(event.segment.utterance))
        silence = self._settings.segmenter.confirmed_end_ms if event.reason == "silence" else None
        self._begin(event.segment, event.words, silence, final=True)

    def _discarded(self, utterance: int, reason: str) -> None:
        self._withdraw(utterance)
        if self._open is not None and self._open.utterance == utterance:
            self._open = None
            self._drop_partial()
        self.emit(events.UtteranceDiscarded(utterance=utterance, reason=reason))

    def _begin(
        self, segment: Segment, words: tuple[Word, ...] | None, silence_ms: float | None, *, final: bool
    ) -> None:
        """Start recognition; ``silence_ms`` is what the endpoint waited for, None where there was no silence."""
        now = time.perf_counter()
        waited = silence_ms if silence_ms is not None else max(0.0, self._now_ms - segment.end_ms)
        self._pending.append(
            _Pending(
                segment=segment,
                transcript=self._transcribe(segment) if words is None else _known(words, self._language),
                audio=self._models.runtime.audio(segment.samples, session=self._key),
                ended_at=now - waited / 1000,
                endpoint_ms=waited,
                asked_at=now,
                final=final,
            )
        )

    # -------------------------------------------------------------------------------- transcripts

    @property
    def _partial_interval_ms(self) -> int:
        """Offline, partial transcripts serve only to find the ends of sentences."""
        settings = self._settings.transcriber
        return settings.partial_interval_ms if self._live else settings.offline_partial_interval_ms

    @property
    def _language(self) -> str | None:
        return self._settings.transcriber.language

    def _transcribe(self, segment: Segment, *, partial: bool = False) -> Future[Transcript]:
        return self._models.transcriber.submit(
            segment.samples, segment.start_ms, language=self._language, partial=partial, session=self._key
        )

    def _ask_partial(self) -> None:
        """Ask for the words so far when enough speech is new and nothing is asked already."""
        if self._open is None or self._now_ms < self._partial_due_ms or (self._pending and not self._pending[-1].final):
            return
        if self._partial is not None:
            return
        segment = self._segmenter.open_segment(_PARTIAL_MS)
        if segment is None:
            return
        self._partial_due_ms = self._now_ms + self._partial_interval_ms
        self._partial = (segment, self._transcribe(segment, partial=True))

    def _take_partial(self) -> None:
        if self._partial is None:
            return
        segment, future = self._partial
        if not future.done() and self._live:
            return
        transcript = _result(future)
        self._partial = None
        if transcript is None:
            self._skipped_partials += 1
        elif transcript.text:
            self._told_partial(segment, transcript)

    def _told_partial(self, segment: Segment, transcript: Transcript) -> None:
        whole = self._open is not None and segment.start_ms <= self._open.start_ms
        self._handle(self._segmenter.words(transcript.words, whole=whole))
        opened = self._open
        if opened is None:
            return
        same = opened.utterance == segment.utterance
        self._said = _following(self._said if same and not whole else (), _after(transcript.words, opened.start_ms))
        text = transcript.text if same and whole else _text(self._said)
        if text:
            self.emit(
                events.TranscriptPartial(
                    utterance=opened.utterance,
                    speaker=self._speaker,
                    start_ms=round(opened.start_ms),
                    room_start_ms=round(self._context.room_ms(opened.start_ms)),
                    text=text,
                )
            )

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._partial[1].cancel()
            self._partial = None

    # ----------------------------------------------------------------------------------- emotions

    def _conclude(self, *, wait: bool) -> None:
        """Bring the utterances to their emotions, in order, as far as their transcripts are there."""
        while self._pending:
            head = self._pending[0]
            if not (wait or head.transcript.done()):
                return
            self._recognize(head)
            if not head.final:
                return
            self._pending.popleft()
            self._keep(head)

    def _recognize(self, pending: _Pending) -> None:
        if pending.heard is not None:
            return
        pending.heard = self._heard(pending)
        pending.heard_at = time.perf_counter()
        if pending.heard.rejected is not None:
            return
        segment = pending.segment
        seen = self._vision.between(segment.start_ms, segment.end_ms)
        utterance = DialogUtterance(
            segment.utterance,
            self._speaker,
            segment.start_ms,
            segment.end_ms,
            pending.heard.text,
            session=self._context.session,
            room_start_ms=self._context.room_ms(segment.start_ms),
            face=seen.face,
            scene=seen.scene,
        )
        try:
            pending.recognition = self._recognizer.recognize(utterance, self._voice(pending))
        except NoEmotionError as error:
            self._absences.note("emotion.failed", error, segment.utterance)
            return
        if not pending.final:
            self._tell(pending, pending.recognition, self._recognizer.early(pending.recognition))

    def _heard(self, pending: _Pending) -> Transcript:
        """Return the transcript; one that failed is an absent modality, and said so."""
        try:
            return self._belief.of(pending.transcript.result())
        except Exception as error:  # noqa: BLE001 - whatever it is, what else there is counts
            self._absences.note("transcript.failed", error, pending.segment.utterance)
            return _NO_WORDS

    def _voice(self, pending: _Pending) -> Branch | None:
        """Return the voice's features; of one that failed there are none, and it is said so."""
        try:
            return pending.audio.result()
        except Exception as error:  # noqa: BLE001 - as above
            self._absences.note("voice.failed", error, pending.segment.utterance)
            return None

    def _not_read(self, key: UtteranceKey, error: Exception) -> None:
        session, utterance = key
        self._absences.note("text.failed", error, utterance if session == self._context.session else None)

    def _keep(self, pending: _Pending) -> None:
        self._tell_doubt(pending)
        if pending.recognition is None:
            rejected = pending.heard.rejected if pending.heard else None
            self._rejected += rejected is not None
            self.emit(events.UtteranceDiscarded(utterance=pending.segment.utterance, reason=rejected or FAILED))
            return
        self._utterances += 1
        kept = self._recognizer.keep(pending.recognition)
        self._tell(pending, pending.recognition, kept.revision)
        for number, revised in self._revised(kept):
            self._send(revised, number, final=True, latency=_no_latency(revised))

    def _revised(self, kept: Kept) -> list[tuple[int, Recognition]]:
        """Return what is another now; where that can't be found, what was told stays, and it is said so."""
        try:
            return self._recognizer.revisions(kept)
        except NoEmotionError as error:
            self._absences.note("emotion.failed", error)
            return []

    def _tell_sound(self, *, spoken: bool, ended: bool) -> None:
        for warning in self._sound.news(spoken=spoken, ended=ended):
            self.emit(warning)

    def _tell_doubt(self, pending: _Pending) -> None:
        for warning in self._belief.keep(pending.segment.utterance, pending.heard or _NO_WORDS):
            self.emit(warning)

    def _tell(self, pending: _Pending, recognition: Recognition, revision: int) -> None:
        pending.emitted += 1
        now = time.perf_counter()
        self._send(
            recognition,
            revision,
            final=pending.final,
            latency=Latency(
                endpoint_ms=pending.endpoint_ms,
                transcript_ms=(pending.heard_at - pending.asked_at) * 1000,
                features_ms=recognition.features_ms,
                fusion_ms=recognition.fusion_ms,
                total_ms=(now - pending.ended_at) * 1000 if self._live else 0.0,
            ),
        )

    def _send(self, recognition: Recognition, revision: int, *, final: bool, latency: Latency) -> None:
        utterance = recognition.utterance
        self.emit(
            events.Emotion(
                session=utterance.session,
                utterance=utterance.id,
                revision=revision,
                final=final,
                speaker=utterance.speaker,
                start_ms=round(utterance.start_ms),
                end_ms=round(utterance.end_ms),
                room_start_ms=round(utterance.place_ms),
                text=utterance.words,
                label=recognition.label,
                probabilities=recognition.probabilities,
                modalities=recognition.modalities,
                latency=latency,
            )
        )

    def _tell_engine(self) -> None:
        state = self._models.runtime.engine_state  # first: whoever is no longer being built is already among the others
        for warning in self._engine_news.of(state, self._models.runtime.fallbacks):
            self.emit(warning)

    def _vision_failed(self, error: Exception) -> None:
        self._absences.note("faces.failed", error)


def _same(early: Segment, final: Segment) -> bool:
    return (early.utterance, early.start_ms, early.end_ms) == (final.utterance, final.start_ms, final.end_ms)


def _text(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def _after(words: tuple[Word, ...], start_ms: float) -> tuple[Word, ...]:
    return tuple(word for word in words if (word.start_ms + word.end_ms) / 2 >= start_ms)


def _following(said: tuple[Word, ...], words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words that were said before others, and these."""
    return (*(word for word in said if words and word.end_ms <= words[0].start_ms), *words)


def _known(words: tuple[Word, ...], language: str | None) -> Future[Transcript]:
    """Return the transcript of an utterance cut at a sentence, whose words were what showed the cut."""
    future: Future[Transcript] = Future()
    future.set_result(Transcript(_text(words), words, language or ""))
    return future


def _result(future: Future[Transcript]) -> Transcript | None:
    """Return a partial transcript, or None where it was dropped for more urgent work or failed."""
    try:
        return future.result()
    except Exception:  # noqa: BLE001 - CancelledError is one; the final transcript reports failures
        return None


def _no_latency(recognition: Recognition) -> Latency:
    return Latency(
        endpoint_ms=0, transcript_ms=0, features_ms=recognition.features_ms, fusion_ms=recognition.fusion_ms, total_ms=0
    )
