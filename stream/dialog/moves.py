"""Utterances that turn out to be somebody else's: told again, and with them what rests on who spoke."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from models.runtime.runtime import Branch
from stream.dialog.dialog import Respoken
from stream.dialog.recognizer import Recognition, Recognizer
from stream.dialog.voices import Voice, Voices
from stream.speakers.who import REMEMBERED
from wire.events import UtteranceKey


@dataclass(slots=True, eq=False)
class _Spoken:
    """What an utterance was told to be; ``heard`` is its voice, whoever it is of."""

    recognition: Recognition
    heard: Branch | None
    voice: Voice | None

    @property
    def key(self) -> UtteranceKey:
        """Return what tells it from all others of the conversation."""
        return self.recognition.utterance.key

    @property
    def speaker(self) -> str:
        """Return who said it, by what is known."""
        return self.recognition.utterance.speaker


class SpeakerMoves:
    """The last utterances of a session, for when they turn out to be another speaker's.

    Args:
        voices: whose baselines move with them.
    """

    def __init__(self, recognizer: Recognizer, voices: Voices) -> None:
        self._recognizer, self._voices = recognizer, voices
        self._spoken: dict[int, _Spoken] = {}

    def keep(self, recognition: Recognition, heard: Branch | None, voice: Voice | None) -> None:
        """Remember an utterance that is part of the conversation now, and what it says of its speaker."""
        utterance = recognition.utterance
        if voice is not None:
            self._voices.learn(voice, utterance.speaker)
        self._spoken[utterance.id] = _Spoken(recognition, heard, voice)
        if len(self._spoken) > REMEMBERED:
            del self._spoken[next(iter(self._spoken))]

    def told(self, recognition: Recognition) -> None:
        """Take what an utterance was told to be since."""
        if recognition.utterance.id in self._spoken:
            self._spoken[recognition.utterance.id].recognition = recognition

    def move(self, moved: Mapping[int, str]) -> list[tuple[int, Recognition]]:
        """Give utterances, by number, to other speakers; return what is told anew, numbered.

        What the dialog has forgotten is told as it was found, under the new name. All voices of those that lose or win
        one are told anew, in their order, as if it had been known at once.

        Raises:
            NoEmotionError: the fusion failed.
        """
        changed = {number: name for number, name in moved.items() if number in self._spoken}
        if not changed:
            return []
        names = {*changed.values(), *(self._spoken[number].speaker for number in changed)}
        again = [spoken for spoken in self._spoken.values() if spoken.speaker in names]
        for spoken in again:
            self._unlearn(spoken)
        changes = {
            spoken.key: self._respoken(spoken, changed.get(spoken.recognition.utterance.id, spoken.speaker))
            for spoken in again
        }
        told = self._recognizer.respoken(changes, {self._spoken[number].key for number in changed})
        renewed = {found.utterance.key for _, found in told}
        forgotten = [self._spoken[number].recognition for number in changed if self._spoken[number].key not in renewed]
        return told + [(self._recognizer.early(found), found) for found in forgotten]

    def _unlearn(self, spoken: _Spoken) -> None:
        if spoken.voice is not None:
            self._voices.unlearn(spoken.voice, spoken.speaker)

    def _respoken(self, spoken: _Spoken, name: str) -> Respoken:
        """Tell a voice against its new speaker's baseline, and take it for part of that."""
        voice = None if spoken.heard is None else self._voices.told(spoken.heard, name)
        if voice is not None:
            self._voices.learn(voice, name)
        spoken.voice = voice
        utterance = replace(spoken.recognition.utterance, speaker=name)
        spoken.recognition = replace(spoken.recognition, utterance=utterance)
        audio = None if voice is None else voice.branch.embedding
        return Respoken(name, audio, 0 if voice is None else voice.baseline)
