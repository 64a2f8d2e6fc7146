"""From the utterances of one session to what is told of each: its emotion, and what is another now."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from models.runtime.runtime import Runtime
from models.speaker_baseline import SpeakerBaseline
from stream.dialog.absence import Absences
from stream.dialog.dialog import Dialog, DialogUtterance
from stream.dialog.pending import PendingUtterance
from stream.dialog.recognizer import Kept, NoEmotionError, Recognition, Recognizer
from stream.dialog.session_context import SessionContext
from stream.dialog.steps import Steps
from stream.dialog.voices import Voice, Voices
from stream.media import AudioChunk
from stream.settings import DialogSettings
from stream.speech.belief import Belief
from stream.speech.segmenter import Segment
from stream.speech.transcript import Transcript
from stream.vision.face_analyzer import Seen
from wire import events
from wire.events import Event, Latency, UtteranceKey

FAILED: Final = "failed"  # why an utterance is discarded whose emotion could not be found
_NO_WORDS: Final = Transcript("", (), "")


class Emotions:
    """Names the emotion of each utterance and tells it; whatever fails is an absent modality, and said so.

    Args:
        context: the session's place in a conversation with others.
        seen: tells what was seen of an utterance, given its sound.
        emit: gets the events.
        settings: of the dialog.
        session: whose requests these are, for the runtime.
        live: results are told early, and with the time they took.
    """

    def __init__(
        self,
        runtime: Runtime,
        context: SessionContext,
        seen: Callable[[AudioChunk], Seen],
        absences: Absences,
        emit: Callable[[Event], None],
        settings: DialogSettings,
        *,
        session: str,
        speaker: str,
        live: bool,
    ) -> None:
        self.utterances = self.rejected = 0
        self._context, self._seen, self._absences, self._emit = context, seen, absences, emit
        self._runtime, self._session, self._speaker, self._live = runtime, session, speaker, live
        known = settings.speaker_baseline == "always" or (live and settings.speaker_baseline == "live")
        self._voices = Voices(runtime, context, session=session, enabled=known)
        threshold = settings.confidence_threshold
        self._recognizer = Recognizer(
            runtime, context.dialog, session=session, threshold=threshold, unread=self._not_read
        )
        self._belief = Belief()

    @property
    def doubted(self) -> int:
        """Return how many utterances had words that were not believed."""
        return self._belief.doubted

    def recognize(self, pending: PendingUtterance) -> None:
        """Find the emotion of an utterance, once, waiting for its transcript; one that may go on is told at once."""
        if pending.heard is not None:
            return
        pending.heard = self._heard(pending)
        pending.heard_at = time.perf_counter()
        if pending.heard.rejected is not None:
            return
        try:
            voice = pending.voice = self._voice(pending)
            utterance = self._utterance(pending.segment, pending.heard.text, 0 if voice is None else voice.baseline)
            pending.recognition = self._recognizer.recognize(utterance, None if voice is None else voice.branch)
        except NoEmotionError as error:
            self._absences.note("emotion.failed", error, pending.segment.utterance)
            return
        if not pending.final:
            self._tell(pending, pending.recognition, self._recognizer.early(pending.recognition))

    def keep(self, pending: PendingUtterance) -> None:
        """Make an utterance that has ended part of the conversation, and tell it and what is another by it."""
        heard = pending.heard or _NO_WORDS
        for warning in self._belief.keep(pending.segment.utterance, heard):
            self._emit(warning)
        if pending.recognition is None:
            self.rejected += heard.rejected is not None
            reason = heard.rejected or FAILED
            self._emit(events.UtteranceDiscarded(utterance=pending.segment.utterance, reason=reason))
            return
        self.utterances += 1
        kept = self._recognizer.keep(pending.recognition)
        if pending.voice is not None:
            self._voices.learn(pending.voice, self._speaker)
        self._tell(pending, pending.recognition, kept.revision)
        for number, revised in self._revised(kept):
            self._send(revised, number, final=True, latency=_of_revision(revised))

    def so_far(self, segment: Segment, words: str) -> Steps[Recognition]:
        """Return the steps to the emotion of an utterance that goes on, in the dialog as it is now.

        Nothing of it is kept, and nothing is told of what fails: all of that is for the end of the utterance.
        """
        utterance, known = self._utterance(segment, words, 0), self._voices.known(self._speaker)
        return self._provisional(utterance, segment, known, self._context.dialog.now)

    def tell_so_far(self, recognition: Recognition) -> None:
        """Tell the emotion of an utterance that goes on."""
        revision = self._recognizer.early(recognition)
        self._send(recognition, revision, final=False, latency=_of_revision(recognition), speaking=True)

    def _provisional(
        self, utterance: DialogUtterance, segment: Segment, known: SpeakerBaseline | None, dialog: Dialog
    ) -> Steps[Recognition]:
        heard = yield self._runtime.audio(segment.samples, session=self._session, priority="provisional")
        if heard is None:
            return (yield from self._recognizer.steps(utterance, None, dialog, "provisional"))
        voice = yield from self._voices.steps(heard, known, "provisional")
        told = replace(utterance, baseline=voice.baseline)
        return (yield from self._recognizer.steps(told, voice.branch, dialog, "provisional"))

    def _utterance(self, segment: Segment, words: str, baseline: int) -> DialogUtterance:
        seen = self._seen(AudioChunk(segment.start_ms, segment.samples))
        return DialogUtterance(
            segment.utterance,
            self._speaker,
            segment.start_ms,
            segment.end_ms,
            words,
            session=self._context.session,
            room_start_ms=self._context.room_ms(segment.start_ms),
            face=seen.face,
            scene=seen.scene,
            speaking_face=seen.speaking,
            baseline=baseline,
        )

    def _heard(self, pending: PendingUtterance) -> Transcript:
        try:
            return self._belief.of(pending.transcript.result())
        except Exception as error:  # noqa: BLE001 - whatever it is, what else there is counts
            self._absences.note("transcript.failed", error, pending.segment.utterance)
            return _NO_WORDS

    def _voice(self, pending: PendingUtterance) -> Voice | None:
        try:
            heard = pending.audio.result()
            return None if heard is None else self._voices.told(heard, self._speaker)
        except Exception as error:  # noqa: BLE001 - as above
            self._absences.note("voice.failed", error, pending.segment.utterance)
            return None

    def _not_read(self, key: UtteranceKey, error: Exception) -> None:
        session, utterance = key
        self._absences.note("text.failed", error, utterance if session == self._context.session else None)

    def _revised(self, kept: Kept) -> list[tuple[int, Recognition]]:
        """Return what is another now; where that can't be found, what was told stays, and it is said so."""
        try:
            return self._recognizer.revisions(kept)
        except NoEmotionError as error:
            self._absences.note("emotion.failed", error)
            return []

    def _tell(self, pending: PendingUtterance, recognition: Recognition, revision: int) -> None:
        pending.told = True
        latency = pending.latency(recognition, live=self._live)
        self._send(recognition, revision, final=pending.final, latency=latency)

    def _send(
        self, recognition: Recognition, revision: int, *, final: bool, latency: Latency, speaking: bool = False
    ) -> None:
        utterance = recognition.utterance
        self._emit(
            events.Emotion(
                session=utterance.session,
                utterance=utterance.id,
                revision=revision,
                final=final,
                speaking=speaking,
                speaker=utterance.speaker,
                start_ms=round(utterance.start_ms),
                end_ms=round(utterance.end_ms),
                room_start_ms=round(utterance.place_ms),
                text=utterance.words,
                label=recognition.label,
                uncertain=recognition.uncertain,
                probabilities=recognition.probabilities,
                modalities=recognition.modalities,
                face=utterance.speaking_face,
                baseline_utterances=utterance.baseline,
                latency=latency,
            )
        )


def _of_revision(recognition: Recognition) -> Latency:
    return Latency(
        endpoint_ms=0, transcript_ms=0, features_ms=recognition.features_ms, fusion_ms=recognition.fusion_ms, total_ms=0
    )
