"""The rolling dialog: pure bookkeeping of utterances, their features and what is absent."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.runtime.runtime import Window
from models.text import Turn

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DialogUtterance:
    """One utterance with the features it has; None is an absent modality."""

    id: int
    speaker: str
    start_ms: float
    end_ms: float
    words: str
    text: Floats | None = None
    audio: Floats | None = None
    face: Floats | None = None
    scene: Floats | None = None

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
        """Return the dialog with an utterance added, or replaced where its id and speaker are there already."""
        others = [item for item in self.utterances if (item.id, item.speaker) != (utterance.id, utterance.speaker)]
        ordered = sorted((*others, utterance), key=lambda item: item.start_ms)
        return replace(self, utterances=tuple(ordered[-self.size :]))

    def index(self, utterance: DialogUtterance) -> int:
        """Return where an utterance stands.

        Raises:
            ValueError: it has left the window.
        """
        keys = [(item.id, item.speaker) for item in self.utterances]
        return keys.index((utterance.id, utterance.speaker))

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
