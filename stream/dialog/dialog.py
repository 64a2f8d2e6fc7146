"""The rolling dialog: pure bookkeeping of utterances, their features and what is absent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.dialog_window import Window
from models.text_input import Turn
from wire.events import UtteranceKey

Floats = npt.NDArray[np.float32]


class Reach(NamedTuple):
    """How many turns before and after an utterance its words are read beside."""

    past: int
    future: int


ALONE = Reach(0, 0)


@dataclass(frozen=True)
class Reading:
    """The turns that words are read among, and which of them they are."""

    turns: tuple[Turn, ...]
    index: int


@dataclass(frozen=True, eq=False)
class DialogUtterance:
    """One utterance with the features it has; None is an absent modality.

    ``start_ms`` and ``end_ms`` are its session's media time, ``room_start_ms`` the conversation's, by which the
    utterances of several sessions are in order. ``speaking_face`` is the id of the face that spoke, where that is
    known. ``baseline`` is how many earlier utterances of its speaker its voice
    was told against. ``reading`` is what its words are to be read among, ``read`` what they were when ``text`` was
    made: whoever is added beside it changes the one and not the other.
    """

    id: int
    speaker: str
    start_ms: float
    end_ms: float
    words: str
    session: str = ""
    room_start_ms: float | None = None
    text: Floats | None = None
    audio: Floats | None = None
    face: Floats | None = None
    scene: Floats | None = None
    speaking_face: int | None = None
    baseline: int = 0
    reading: Reading | None = None
    read: Reading | None = None

    @property
    def unread(self) -> bool:
        """Return whether its words must be read, for the first time or again."""
        return bool(self.words) and self.read != self.reading

    @property
    def key(self) -> UtteranceKey:
        """Return what tells it from all others of the conversation."""
        return self.session, self.id

    @property
    def place_ms(self) -> float:
        """Return where it stands in the conversation; that of one session alone has its time."""
        return self.start_ms if self.room_start_ms is None else self.room_start_ms

    @property
    def turn(self) -> Turn:
        """Return who said what."""
        return Turn(self.speaker, self.words)


@dataclass(frozen=True, eq=False)
class Respoken:
    """What is another of an utterance that somebody else said: its voice is told against another's baseline."""

    speaker: str
    audio: Floats | None
    baseline: int


@dataclass(frozen=True, eq=False)
class Dialog:
    """The last utterances in the order of their start; immutable, so that an early one can be tried and dropped.

    ``version`` counts the utterances that were kept: of two dialogs of a conversation it tells which is newer.
    """

    size: int
    utterances: tuple[DialogUtterance, ...] = ()
    version: int = 0

    def with_utterance(self, utterance: DialogUtterance, reach: Reach = ALONE) -> "Dialog":
        """Return the dialog with an utterance tried in it: one older than all that fit pushes out the newest."""
        ordered = self._ordered(utterance)
        first = min(ordered.index(utterance), max(0, len(ordered) - self.size))
        return replace(self, utterances=_placed(ordered[first : first + self.size], utterance, reach))

    def keeping(self, utterance: DialogUtterance, reach: Reach = ALONE) -> "Dialog":
        """Return the dialog that goes on: the newest utterances, this one among them unless it is older than all."""
        kept = _placed(self._ordered(utterance)[-self.size :], utterance, reach)
        return replace(self, utterances=kept, version=self.version + 1)

    def reading(self, key: UtteranceKey, read: Reading, text: Floats) -> "Dialog":
        """Return the dialog with the words of an utterance read, unless by now they are to be read among others."""
        taken = (
            replace(item, text=text, read=read) if item.key == key and item.reading == read else item
            for item in self.utterances
        )
        return replace(self, utterances=tuple(taken))

    def respoken(self, changes: Mapping[UtteranceKey, Respoken]) -> "Dialog":
        """Return the dialog with some utterances said by others, in what other words are read among too."""
        said = [_respoken(item, changes.get(item.key)) for item in self.utterances]
        read = tuple(_renamed(said, place) for place in range(len(said)))
        return replace(self, utterances=read, version=self.version + 1)

    def _ordered(self, utterance: DialogUtterance) -> list[DialogUtterance]:
        others = [item for item in self.utterances if item.key != utterance.key]
        return sorted((*others, utterance), key=lambda item: item.place_ms)

    def holds(self, key: UtteranceKey) -> bool:
        """Return whether an utterance is among the last."""
        return any(item.key == key for item in self.utterances)

    def index(self, utterance: DialogUtterance) -> int:
        """Return where an utterance stands.

        Raises:
            ValueError: it has left the window.
        """
        return [item.key for item in self.utterances].index(utterance.key)

    def window(self) -> Window:
        """Return the features as the fusion takes them."""
        return Window(
            text=[utterance.text for utterance in self.utterances],
            audio=[utterance.audio for utterance in self.utterances],
            face=[utterance.face for utterance in self.utterances],
            scene=[utterance.scene for utterance in self.utterances],
        )


def _placed(ordered: list[DialogUtterance], new: DialogUtterance, reach: Reach) -> tuple[DialogUtterance, ...]:
    """Return the utterances with what they are read among, for the new one and for those it stands beside."""
    if new not in ordered:
        return tuple(ordered)
    place = ordered.index(new)
    return tuple(
        replace(said, reading=_around(ordered, index, reach)) if -reach.future <= index - place <= reach.past else said
        for index, said in enumerate(ordered)
    )


def _respoken(said: DialogUtterance, change: Respoken | None) -> DialogUtterance:
    if change is None:
        return said
    return replace(said, speaker=change.speaker, audio=change.audio, baseline=change.baseline)


def _renamed(ordered: list[DialogUtterance], index: int) -> DialogUtterance:
    """Return an utterance to be read among the turns as they are now; those that are forgotten stay as they were."""
    said = ordered[index]
    if said.reading is None:
        return said
    first = index - said.reading.index
    turns = tuple(
        ordered[first + place].turn if 0 <= first + place < len(ordered) else turn
        for place, turn in enumerate(said.reading.turns)
    )
    return replace(said, reading=replace(said.reading, turns=turns))


def _around(ordered: list[DialogUtterance], index: int, reach: Reach) -> Reading:
    first = max(0, index - reach.past)
    return Reading(tuple(said.turn for said in ordered[first : index + 1 + reach.future]), index - first)
