"""FER2013 as ``train.npz`` and ``dev.npz``: grey faces of 48 x 48 with expression labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.labels import LABEL_INDEX, LABELS
from trainer.data.errors import DatasetError, require

_NAMES: Final = {"angry": "anger", "happy": "joy", "sad": "sadness"}


@dataclass(frozen=True)
class FaceSet:
    """Faces ``(n, 48, 48)`` uint8 and labels ``(n,)`` as indices of ``classes``, expressions or identities."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...] = LABELS


def load_fer2013(folder: Path, split: str) -> FaceSet:
    """Return one split.

    Raises:
        DatasetError: the file is missing or names a class that is not one of the seven.
    """
    path = require(folder / f"{split}.npz", f"FER2013's {split} split")
    with np.load(path, allow_pickle=False) as file:
        classes = [str(name).lower() for name in file["classes"]]
        order = np.array([_index(path, name) for name in classes], np.int64)
        return FaceSet(file["pixels"], order[file["label"].astype(np.int64)])


def _index(path: Path, name: str) -> int:
    label = _NAMES.get(name, name)
    if label not in LABEL_INDEX:
        message = f"{path}: unknown class {name!r}; expected FER2013's seven"
        raise DatasetError(message)
    return LABEL_INDEX[label]
