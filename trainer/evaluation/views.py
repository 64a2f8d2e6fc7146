"""What the fusion says of an utterance when it is the last one heard, when the next is known, and when all are.

A text encoder that reads later turns reads an utterance anew as they come: while it is the last one heard, no
later turn exists for it, and a score that used one would not be what a live analyzer reaches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from torch import nn

from models.dialog_window import Features, FusionConfig
from trainer.dialogs.features import DialogFeatures, Modality
from trainer.dialogs.logits import after_next_logits, full_logits, moment_logits
from trainer.fit.outputs import Floats

View = Literal["moment", "next", "full"]
VIEWS: Final[tuple[View, ...]] = get_args(View)
VIEW_NAMES: Final[dict[View, str]] = {
    "moment": "at the moment",
    "next": "after the next",
    "full": "full context",
}


@dataclass(frozen=True)
class HeardDialog:
    """A dialog as it grows.

    Attributes:
        features: its features, the text as the last reading has it.
        readings: the utterances' text embeddings, read with 0, 1, … later turns; the last with all the encoder takes.
    """

    features: DialogFeatures
    readings: Sequence[Features]

    @staticmethod
    def of(rest: DialogFeatures, readings: Sequence[Features]) -> "HeardDialog":
        """Return a dialog with the readings as its text; without any it has none."""
        found = readings or [rest.text]
        return HeardDialog(replace(rest, text=found[-1]), found)

    @property
    def size(self) -> int:
        """Return the number of utterances."""
        return len(self.features.labels)

    def at(self, heard: int) -> DialogFeatures:
        """Return the dialog as it stood when so many utterances were heard."""
        known = [min(heard - 1 - index, len(self.readings) - 1) for index in range(heard)]
        text = [self.readings[later][index] for index, later in enumerate(known)]
        return replace(self.features.first(heard), text=text)

    def only(self, modalities: Sequence[Modality]) -> "HeardDialog":
        """Return the dialog with every other modality absent."""
        nothing: Features = [None] * self.size
        readings = self.readings if "text" in modalities else [nothing] * len(self.readings)
        return HeardDialog(self.features.only(modalities), readings)


def view_logits(network: nn.Module, dialogs: Sequence[HeardDialog], config: FusionConfig, view: View) -> Floats:
    """Return the logits ``(utterances, classes)`` of all utterances, dialog after dialog."""
    if view != "full" and any(len(dialog.readings) > 1 for dialog in dialogs):
        return _reread_logits(network, dialogs, config, later=1 if view == "next" else 0)
    by_view = {"moment": moment_logits, "next": after_next_logits, "full": full_logits}
    return by_view[view](network, [dialog.at(dialog.size) for dialog in dialogs], config)


def _reread_logits(network: nn.Module, dialogs: Sequence[HeardDialog], config: FusionConfig, later: int) -> Floats:
    """Return the logits of each utterance in its dialog as it stood so many utterances later, the text as read then."""
    stands = [(dialog, index) for dialog in dialogs for index in range(dialog.size)]
    known = [min(dialog.size, index + 1 + later) for dialog, index in stands]
    parts = [dialog.at(heard) for (dialog, _), heard in zip(stands, known, strict=True)]
    places = np.cumsum([0, *known[:-1]]) + [index for _, index in stands]
    logits: Floats = full_logits(network, parts, config)[places]
    return logits
