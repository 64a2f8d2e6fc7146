"""The rolling dialog: pure bookkeeping of utterances, their features and what is absent."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.runtime.runtime import Window
from models.text import Turn
from stream.events import UtteranceKey

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DialogUtterance:
    """One utterance with the features it has; None is an absent modality.

    ``start_ms`` and ``end_ms`` are its session's media time, ``room_start_ms`` the conversation's, by which the
    utterances of several sessions are in order.
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
class Dialog:
    """The last utterances in the order of their start; immutable, so that an early one can be tried and dropped."""

    size: int
    utterances: tuple[DialogUtterance, ...] = ()

    def with_utterance(self, utterance: DialogUtterance) -> "Dialog":
        """Return the dialog with an utterance tried in it: one older than all that fit pushes out the newest."""
        ordered = self._ordered(utterance)
        first = min(ordered.index(utterance), max(0, len(ordered) - self.size))
        return replace(self, utterances=tuple(ordered[first : first + self.size]))

    def keeping(self, utterance: DialogUtterance) -> "Dialog":
        """Return the dialog that goes on: the newest utterances, this one among them unless it is older than all."""
        return replace(self, utterances=tuple(self._ordered(utterance)[-self.size :]))

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

    def turns(self) -> list[Turn]:
        """Return who said what, oldest first."""
        return [utterance.turn for utterance in self.utterances]

    def window(self) -> Window:
        """Return the features as the fusion takes them."""
        return Window(
            text=[utterance.text for utterance in self.utterances],
            audio=[utterance.audio for utterance in self.utterances],
            face=[utterance.face for utterance in self.utterances],
            scene=[utterance.scene for utterance in self.utterances],
        )
