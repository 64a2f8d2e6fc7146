"""One participant's pipeline: media in, events out.

A session is driven by one thread, which calls :meth:`Session.push` and :meth:`Session.poll`. Speech
recognition and the networks run in workers that all sessions share; offline the session waits for them
where a result decides what comes next, so that a file gives the same result on any machine.
"""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import uuid4

from stream.dialog.absence import Absences
from stream.dialog.emotions import Emotions
from stream.dialog.file_utterances import FileUtterances
from stream.dialog.pending import PendingUtterance
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.utterances import Utterances
from stream.dialog.while_speaking import AsItComes, Pace, WhileSpeaking
from stream.engine_news import EngineWarnings
from stream.live_models import LiveModels
from stream.media import AudioChunk, VideoFrame
from stream.settings import Settings
from stream.speakers.telling_apart import telling_apart
from stream.speech.transcriber import Transcribe
from stream.vision.video_analyzer import FrameAnalysis, MakeVideoAnalyzer, Vision
from wire.events import Event, Totals

_WAITING_OFFLINE: Final = 4  # utterances in recognition before a file's reading pauses


class Session:
    """Cuts a participant's media into utterances and tells the emotion of each, in their order.

    It wires what does so: :class:`~stream.dialog.utterances.Utterances` take the sound,
    :class:`~stream.vision.video_analyzer.Vision` the frames; :class:`~stream.dialog.emotions.Emotions` put both
    together once an utterance has ended, or likely has.

    Args:
        emit: gets every event; called from the session's thread, and ``faces`` from its vision thread.
        live: media comes at its own pace, so results are told early and frames may be skipped.
        context: its place in a conversation with others; without it the session is one of its own.
        transcribe: has stretches of sound transcribed, in place of the models' speech recognition.
        see: makes what analyzes the frames.
        pace: decides when what was found while somebody speaks is told.

    Raises:
        ValueError: the speech model does not know the language of the settings.
    """

    def __init__(
        self,
        models: LiveModels,
        settings: Settings,
        emit: Callable[[Event], None],
        *,
        speaker: str,
        live: bool,
        context: SessionContext | None = None,
        transcribe: Transcribe | None = None,
        see: MakeVideoAnalyzer = Vision,
        pace: Pace | None = None,
    ) -> None:
        models.check_language(settings.transcriber.language)
        self.emit = emit
        self._runtime, self._live = models.runtime, live
        key = uuid4().hex  # tells the runtime whose requests are whose
        place = context or SessionContext(SharedDialog(settings.dialog.window))
        submit = transcribe or models.transcriber.submit
        absences = Absences(emit)
        self._speakers = 0
        failed = partial(absences.note, "speaker.failed")
        who = telling_apart(models.runtime, settings.speakers, speaker, failed, self._count_speakers, session=key)
        self._utterances = (
            Utterances(submit, models.runtime, settings, place, emit, who=who, session=key)
            if live
            else FileUtterances(models.transcriber, models.runtime, settings, emit, who=who, session=key)
        )
        analyzer = models.face_analyzer(settings.vision, session=key, live=live)
        failed = partial(absences.note, "faces.failed")
        self._vision = see(FrameAnalysis(analyzer, settings.vision, emit, failed, live=live))
        self._emotions = Emotions(
            models.runtime,
            place,
            self._vision.during,
            absences,
            emit,
            settings.dialog,
            who=who,
            session=key,
            live=live,
        )
        self._while_speaking = self._seeking(models, settings.dialog.speaking_interval_ms, pace or AsItComes())
        self._gathered: list[PendingUtterance] = []  # of a file
        self._engine_news = EngineWarnings()
        self._end_ms = 0.0
        self._audio_chunks = self._video_frames = 0
        self._ended_media = self._finished = False

    def push(self, media: AudioChunk | VideoFrame) -> None:
        """Take the next sound or frame, and tell whatever is ready."""
        if isinstance(media, VideoFrame):
            self._video_frames += 1
            self._end_ms = max(self._end_ms, media.time_ms)
            self._vision.push(media)
        else:
            self._audio_chunks += 1
            self._end_ms = max(self._end_ms, media.end_ms)
            self._utterances.push(media)
        self.poll()

    def poll(self) -> None:
        """Tell whatever has become ready since; called also while no media comes."""
        self._tell_engine()
        self._utterances.poll()
        self._conclude(wait=not self._live and len(self._utterances.pending) > _WAITING_OFFLINE)
        self.speak()

    def speak(self) -> None:
        """Tell what is known by now of the utterance that goes on; :meth:`poll` does so too."""
        if self._while_speaking is not None:
            self._while_speaking.poll()

    def end(self) -> None:
        """Take the end of the media, which ends the utterance in progress; its emotion is told by :meth:`poll`."""
        if not self._ended_media:
            self._ended_media = True
            self._utterances.end()

    def finish(self) -> Totals:
        """End the utterance in progress, tell all that is left and return the totals; later calls only return them."""
        if not self._finished:
            self._finished = True
            try:
                self.end()
                self._conclude(wait=True)
                self._conclude_file()
                self._vision.close()
                self._tell_engine()
            finally:
                self.close()
        return self.totals

    def close(self) -> None:
        """Take back what is not done and end the vision thread, however the session ended; more calls do nothing."""
        self._finished = True
        if self._while_speaking is not None:
            self._while_speaking.cancel()
        self._utterances.cancel()
        self._vision.stop()

    @property
    def totals(self) -> Totals:
        """Return what was done so far."""
        seen = self._vision.counts
        return Totals(
            duration_ms=round(self._end_ms),
            utterances=self._emotions.utterances,
            audio_chunks=self._audio_chunks,
            video_frames=self._video_frames,
            analyzed_frames=seen.analyzed,
            followed_frames=seen.followed,
            passed_over_frames=seen.passed_over,
            dropped_video_frames=seen.skipped + seen.late,
            late_video_frames=seen.late,
            skipped_partials=self._utterances.skipped_partials,
            skipped_provisional=0 if self._while_speaking is None else self._while_speaking.skipped,
            rejected_transcripts=self._emotions.rejected,
            doubted_transcripts=self._emotions.doubted,
            speakers=self._speakers,
        )

    def _seeking(self, models: LiveModels, interval_ms: int, pace: Pace) -> WhileSpeaking | None:
        """Return what seeks the emotion of an utterance that goes on; of a file all that is said is there at once."""
        utterances, emotions = self._utterances, self._emotions
        if isinstance(utterances, FileUtterances):
            return None
        return WhileSpeaking(
            utterances.so_far,
            utterances.sound_so_far,
            emotions.so_far,
            lambda: models.transcriber.figures.waiting > 0,
            emotions.tell_so_far,
            interval_ms,
            pace,
        )

    def _count_speakers(self, count: int) -> None:
        self._speakers = count

    def _conclude(self, *, wait: bool) -> None:
        """Bring the utterances to their emotions, in order, as far as their transcripts are there."""
        pending = self._utterances.pending
        while pending:
            head = pending.first
            if not (wait or head.transcript.done()):
                return
            if not self._live:
                self._gather(head)
                continue
            self._emotions.recognize(head)
            if not head.final:
                return
            pending.done()
            self._emotions.keep(head)

    def _gather(self, head: PendingUtterance) -> None:
        """Take what is known of a file's utterance; who says it is known at the end."""
        self._emotions.gather(head)
        head.let_go()
        self._utterances.pending.done()
        self._gathered.append(head)

    def _conclude_file(self) -> None:
        """Bring a file's utterances to their emotions, now that all its speech is known."""
        for gathered in self._gathered:
            self._emotions.recognize(gathered)
            self._emotions.keep(gathered)
        self._gathered.clear()

    def _tell_engine(self) -> None:
        state = self._runtime.engine_state  # first: whoever is no longer being built is already among the others
        for warning in self._engine_news.of(state, self._runtime.fallbacks):
            self.emit(warning)
