"""Labelled faces, whatever they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.labels import LABELS
from trainer.data.conversation import DatasetError, Skipped

Shares = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FaceSet:
    """Faces of one corpus, or of several.

    Attributes:
        pixels: ``(n, 48, 48)`` uint8, grey.
        labels: ``(n,)``, as indices of ``classes``.
        classes: the names of expressions or of identities.
        skipped: what is left out.
        votes: ``(n, classes)``, which share of those who were asked chose each class, a row less than 1 where some
            chose none of them and 0 where nobody was asked; None: nobody was.
        corpora: the corpus of each face; empty where nothing is told of them.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...] = LABELS
    skipped: tuple[Skipped, ...] = ()
    votes: Shares | None = None
    corpora: tuple[str, ...] = ()

    def of(self, rows: npt.NDArray[np.int64]) -> "FaceSet":
        """Return some of the faces."""
        return replace(
            self,
            pixels=self.pixels[rows],
            labels=self.labels[rows],
            votes=None if self.votes is None else self.votes[rows],
            corpora=tuple(self.corpora[row] for row in rows) if self.corpora else (),
        )

    def of_corpus(self, name: str) -> npt.NDArray[np.int64]:
        """Return the rows of one corpus."""
        return np.flatnonzero(np.array(self.corpora) == name)

    def shares(self) -> Shares:
        """Return the votes ``(n, classes)``, zeros where nobody was asked."""
        if self.votes is None:
            return np.zeros((len(self.labels), len(self.classes)), np.float32)
        return self.votes

    def targets(self, label_share: float) -> Shares:
        """Return what is to be learned ``(n, classes)``: the label for its share, the rest as people have voted.

        Votes for none of the classes leave their share to the label.
        """
        labels = np.eye(len(self.classes), dtype=np.float32)[self.labels]
        mixed = label_share * labels + (1 - label_share) * self.shares()
        total = mixed.sum(axis=1, keepdims=True)
        return np.where(total > 0, mixed / np.where(total > 0, total, 1), labels).astype(np.float32)


def joined(sets: Mapping[str, FaceSet]) -> FaceSet:
    """Return the faces of several corpora as one set, each face with the name of its corpus.

    Raises:
        DatasetError: they have different labels.
    """
    found = list(sets.values())
    if any(one.classes != found[0].classes for one in found):
        message = f"faces.datasets={','.join(sets)}: they have different labels, and can't be joined"
        raise DatasetError(message)
    voted = any(one.votes is not None for one in found)
    return FaceSet(
        np.concatenate([one.pixels for one in found]),
        np.concatenate([one.labels for one in found]),
        found[0].classes,
        tuple(entry for one in found for entry in one.skipped),
        np.concatenate([one.shares() for one in found]) if voted else None,
        tuple(name for name, one in sets.items() for _ in one.labels),
    )
