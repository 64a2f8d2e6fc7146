"""From the utterances of one session to what is told of each: its emotion, and what is another now."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from models.runtime.runtime import Branch, Runtime
from models.speaker_baseline import SpeakerBaseline
from stream.dialog.absence import Absences
from stream.dialog.dialog import Dialog, DialogUtterance
from stream.dialog.moves import SpeakerMoves
from stream.dialog.pending import PendingUtterance
from stream.dialog.recognizer import Kept, NoEmotionError, Recognition, Recognizer
from stream.dialog.session_context import SessionContext
from stream.dialog.steps import Steps
from stream.dialog.telling import emotion, of_revision
from stream.dialog.voices import Voice, Voices
from stream.media import AudioChunk
from stream.settings import DialogSettings
from stream.speakers.who import Who
from stream.speech.belief import Belief
from stream.speech.segmenter import Segment
from stream.speech.transcript import Transcript
from stream.vision.face_analyzer import Seen
from wire import events
from wire.events import Event, UtteranceKey

FAILED: Final = "failed"  # why an utterance is discarded whose emotion could not be found
_NO_WORDS: Final = Transcript("", (), "")


class Emotions:
    """Names the emotion of each utterance and tells it; whatever fails is an absent modality, and said so.

    Args:
        context: the session's place in a conversation with others.
        seen: tells what was seen of an utterance, given its sound.
        emit: gets the events.
        settings: of the dialog.
        who: tells who speaks.
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
        who: Who,
        session: str,
        live: bool,
    ) -> None:
        self.utterances = self.rejected = 0
        self._context, self._seen, self._absences, self._emit = context, seen, absences, emit
        self._runtime, self._session, self._who, self._live = runtime, session, who, live
        known = settings.speaker_baseline == "always" or (live and settings.speaker_baseline == "live")
        self._voices = Voices(runtime, context, session=session, enabled=known)
        threshold = settings.confidence_threshold
        self._recognizer = Recognizer(
            runtime, context.dialog, session=session, threshold=threshold, unread=self._not_read
        )
        self._moves = SpeakerMoves(self._recognizer, self._voices)
        self._belief = Belief()

    @property
    def doubted(self) -> int:
        """Return how many utterances had words that were not believed."""
        return self._belief.doubted

    def gather(self, pending: PendingUtterance) -> None:
        """Take all that is known of an utterance, whoever says it, once; waits for its transcript."""
        if pending.heard is not None:
            return
        pending.heard = self._heard(pending)
        pending.heard_at = time.perf_counter()
        pending.branch = self._branch(pending)
        pending.seen = self._seen(AudioChunk(pending.segment.start_ms, pending.segment.samples))

    def recognize(self, pending: PendingUtterance) -> None:
        """Find the emotion of an utterance, once, waiting for its transcript; one that may go on is told at once."""
        if pending.named:
            return
        self.gather(pending)
        pending.named = True
        segment = pending.segment
        if pending.heard is not None and pending.heard.rejected is None:
            self._find(pending, self._who.of(segment.utterance, segment.start_ms, segment.end_ms))
        if pending.recognition is not None and not pending.final:
            self._tell(pending, pending.recognition, self._recognizer.early(pending.recognition))

    def keep(self, pending: PendingUtterance) -> None:
        """Make an utterance that has ended part of the conversation, and tell it and what is another by it."""
        heard = pending.heard or _NO_WORDS
        for warning in self._belief.keep(pending.segment.utterance, heard):
            self._emit(warning)
        moved = self._who.moved()
        if (name := moved.pop(pending.segment.utterance, None)) is not None:
            self._find(pending, name)
        if pending.recognition is None:
            self._discard(pending, heard.rejected)
        else:
            self._keep(pending, pending.recognition)
        self._move(moved)

    def _keep(self, pending: PendingUtterance, recognition: Recognition) -> None:
        self.utterances += 1
        kept = self._recognizer.keep(recognition)
        self._moves.keep(recognition, pending.branch, pending.voice)
        self._tell(pending, recognition, kept.revision)
        self._tell_revised(self._revised(kept))

    def _discard(self, pending: PendingUtterance, rejected: str | None) -> None:
        self.rejected += rejected is not None
        self._who.forget(pending.segment.utterance)
        self._emit(events.UtteranceDiscarded(utterance=pending.segment.utterance, reason=rejected or FAILED))

    def _move(self, moved: Mapping[int, str]) -> None:
        """Tell what is another now that some utterances turn out to be somebody else's."""
        try:
            self._tell_revised(self._moves.move(moved))
        except NoEmotionError as error:
            self._absences.note("emotion.failed", error)

    def _tell_revised(self, revised: Iterable[tuple[int, Recognition]]) -> None:
        for number, found in revised:
            if found.utterance.session == self._context.session:
                self._moves.told(found)
            self._emit(emotion(found, number, final=True, latency=of_revision(found)))

    def so_far(self, segment: Segment, words: str) -> Steps[Recognition]:
        """Return the steps to the emotion of an utterance that goes on, in the dialog as it is now.

        Nothing of it is kept, and nothing is told of what fails: all of that is for the end of the utterance.
        """
        name = self._who.so_far(segment.start_ms, segment.end_ms)
        seen = self._seen(AudioChunk(segment.start_ms, segment.samples))
        utterance = self._utterance(segment, words, name, seen)
        return self._provisional(utterance, segment, self._voices.known(name), self._context.dialog.now)

    def tell_so_far(self, recognition: Recognition) -> None:
        """Tell the emotion of an utterance that goes on."""
        revision = self._recognizer.early(recognition)
        self._emit(emotion(recognition, revision, final=False, latency=of_revision(recognition), speaking=True))

    def _provisional(
        self, utterance: DialogUtterance, segment: Segment, known: SpeakerBaseline | None, dialog: Dialog
    ) -> Steps[Recognition]:
        heard = yield self._runtime.audio(segment.samples, session=self._session, priority="provisional")
        if heard is None:
            return (yield from self._recognizer.steps(utterance, None, dialog, "provisional"))
        voice = yield from self._voices.steps(heard, known, "provisional")
        told = replace(utterance, baseline=voice.baseline)
        return (yield from self._recognizer.steps(told, voice.branch, dialog, "provisional"))

    def _find(self, pending: PendingUtterance, name: str) -> None:
        """Find the emotion of an utterance that somebody says."""
        words = "" if pending.heard is None else pending.heard.text
        voice = pending.voice = self._voice(pending, name)
        utterance = self._utterance(pending.segment, words, name, pending.seen, 0 if voice is None else voice.baseline)
        try:
            pending.recognition = self._recognizer.recognize(utterance, None if voice is None else voice.branch)
        except NoEmotionError as error:
            pending.recognition = None
            self._absences.note("emotion.failed", error, pending.segment.utterance)

    def _utterance(
        self, segment: Segment, words: str, name: str, seen: Seen | None, baseline: int = 0
    ) -> DialogUtterance:
        return DialogUtterance(
            segment.utterance,
            name,
            segment.start_ms,
            segment.end_ms,
            words,
            session=self._context.session,
            room_start_ms=self._context.room_ms(segment.start_ms),
            face=None if seen is None else seen.face,
            scene=None if seen is None else seen.scene,
            speaking_face=None if seen is None else seen.speaking,
            baseline=baseline,
        )

    def _heard(self, pending: PendingUtterance) -> Transcript:
        try:
            return self._belief.of(pending.transcript.result())
        except Exception as error:  # noqa: BLE001 - whatever it is, what else there is counts
            self._absences.note("transcript.failed", error, pending.segment.utterance)
            return _NO_WORDS

    def _branch(self, pending: PendingUtterance) -> Branch | None:
        try:
            return pending.audio.result()
        except Exception as error:  # noqa: BLE001 - as above
            self._absences.note("voice.failed", error, pending.segment.utterance)
            return None

    def _voice(self, pending: PendingUtterance, name: str) -> Voice | None:
        try:
            return None if pending.branch is None else self._voices.told(pending.branch, name)
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
        self._emit(emotion(recognition, revision, final=pending.final, latency=latency))
