"""Labelled faces, whatever they come from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.labels import LABELS
from trainer.data.conversation import Skipped


@dataclass(frozen=True)
class FaceSet:
    """Faces of one corpus.

    Attributes:
        pixels: ``(n, 48, 48)`` uint8, grey.
        labels: ``(n,)``, as indices of ``classes``.
        classes: the names of expressions or of identities.
        skipped: files left out.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...] = LABELS
    skipped: tuple[Skipped, ...] = ()
