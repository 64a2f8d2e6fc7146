"""What the fusion sees of a dialog: an embedding for each utterance and modality, None where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.dialog_window import Features, FusionConfig, Window
from models.networks.fusion import DialogBatch
from trainer.fit.metrics import Ints
from wire import events

Modality = events.Modality
MODALITIES: Final = events.MODALITIES
STREAMS: Final[tuple[tuple[Modality, ...], ...]] = (("text",), ("audio",), ("face", "scene"))
"""The paper's three modalities: what is said, heard and seen."""
SKIP: Final = -100  # cross_entropy's mark for rows that don't count


@dataclass(frozen=True)
class DialogFeatures(Window):
    """One dialog with the labels ``(utterances,)``.

    ``speakers`` names who says each utterance; none: unknown, as if one person spoke.
    """

    labels: Sequence[int]
    speakers: Sequence[str] = ()

    def only(self, modalities: Sequence[Modality]) -> "DialogFeatures":
        """Return the dialog with every other modality absent."""
        nothing: Features = [None] * len(self.labels)
        dropped = {name: nothing for name in MODALITIES if name not in modalities}
        return replace(self, **dropped)  # type: ignore[arg-type] # the names are those of the fields

    def first(self, utterances: int) -> "DialogFeatures":
        """Return the dialog as it was after so many utterances."""
        return self.part(0, utterances)

    def part(self, start: int, end: int) -> "DialogFeatures":
        """Return a stretch of the dialog, from one utterance to before another."""
        return DialogFeatures(*(getattr(self, field.name)[start:end] for field in fields(self)))


def truth(dialogs: Sequence[DialogFeatures]) -> Ints:
    """Return the labels of all utterances, dialog after dialog."""
    return np.array([label for dialog in dialogs for label in dialog.labels], np.int64)


@dataclass(frozen=True, eq=False)
class SpokenBatch(DialogBatch):
    """Padded dialogs with who speaks: ``parties`` is ``(batch, utterances)`` int64.

    The speakers of a dialog are numbered in the order in which they first speak; 0 at padding.
    """

    parties: Tensor


def collate_spoken(dialogs: Sequence[DialogFeatures], config: FusionConfig) -> tuple[SpokenBatch, Tensor]:
    """Pad dialogs as :func:`collate` does, with their speakers."""
    batch, labels = collate(dialogs, config)
    parties = torch.zeros_like(labels)
    for row, dialog in enumerate(dialogs):
        numbers = {name: number for number, name in enumerate(dict.fromkeys(dialog.speakers))}
        parties[row, : len(dialog.speakers)] = torch.tensor([numbers[name] for name in dialog.speakers])
    return SpokenBatch(**vars(batch), parties=parties), labels


def collate(dialogs: Sequence[DialogFeatures], config: FusionConfig) -> tuple[DialogBatch, Tensor]:
    """Pad dialogs to the longest: features and ``(batch, utterances)`` labels, :data:`SKIP` at padding."""
    longest = max(len(dialog.labels) for dialog in dialogs)
    labels = torch.full((len(dialogs), longest), SKIP)
    for row, dialog in enumerate(dialogs):
        labels[row, : len(dialog.labels)] = torch.tensor(dialog.labels)
    padded = {
        name: _padded([getattr(dialog, name) for dialog in dialogs], longest, getattr(config, f"{name}_dim"))
        for name in MODALITIES
    }
    batch = DialogBatch(
        **{name: features for name, (features, _) in padded.items()},
        **{f"{name}_present": present for name, (_, present) in padded.items()},
        valid=labels != SKIP,
    )
    return batch, labels


def _padded(rows: Sequence[Features], longest: int, dim: int) -> tuple[Tensor, Tensor]:
    features, present = torch.zeros(len(rows), longest, dim), torch.zeros(len(rows), longest, dtype=torch.bool)
    for row, embeddings in enumerate(rows):
        for column, embedding in enumerate(embeddings):
            if embedding is not None:
                features[row, column] = torch.from_numpy(embedding)
                present[row, column] = True
    return features, present
