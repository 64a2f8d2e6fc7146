"""Press photographs with expressions (muxspace/facial_expressions): unposed faces of people who are told apart.

As ``train.npz``, with ``pixels`` (n, 48, 48), ``label``, ``classes`` and ``person`` (n,), by which train and dev are
kept apart; one student labelled each. Contempt, which three of them have, is none of the seven.
"""

from pathlib import Path
from typing import Final

import numpy as np

from models.labels import LABEL_INDEX, LABELS
from trainer.data.conversation import AbsentError, Skipped
from trainer.data.emotion_names import emotion_of
from trainer.data.face_archive import column, read_archive
from trainer.data.faces import FaceSet
from trainer.data.places import elsewhere, home

_NAME: Final = "faces_press"
_ARCHIVE: Final = "train.npz"
_EVERY: Final = 5


def is_dev(person: int) -> bool:
    """Return whether a person is held out: one in five is."""
    return person % _EVERY == 0


def load_faces_press(root: Path, split: str) -> FaceSet:
    """Return one split.

    Args:
        root: the folder with the archive, or the one that holds it as ``faces_press``.
        split: ``train`` or ``dev``, by person; ``all``; or the path of an archive, which is read whole.

    Raises:
        DatasetError: the archive is missing or not as it should be.
    """
    folder = home(_NAME, root)
    if split in {"train", "dev", "all"}:
        path: Path | None = folder / _ARCHIVE
    else:
        path = elsewhere(folder, root, split)
    if path is None or not path.is_file():
        message = f"no press faces for {split!r} at {path or folder}; check --root or --data, or give an archive"
        raise AbsentError(message)
    return _read(path, split)


def _read(path: Path, split: str) -> FaceSet:
    arrays = read_archive(path)
    names = [emotion_of(str(name)) for name in arrays["classes"]]
    persons, given = column(path, arrays, "person").tolist(), arrays["label"].tolist()
    chosen = [
        row for row, person in enumerate(persons) if split not in {"train", "dev"} or is_dev(person) == (split == "dev")
    ]
    rows = np.array([row for row in chosen if names[given[row]] is not None], np.int64)
    labels = np.array([LABEL_INDEX[str(names[given[row]])] for row in rows], np.int64)
    skipped = tuple(
        Skipped(
            f"row {row} of {path.name}", f"its expression, {arrays['classes'][given[row]]}, is not one of the seven"
        )
        for row in chosen
        if names[given[row]] is None
    )
    return FaceSet(arrays["pixels"][rows].astype(np.uint8, copy=False), labels, LABELS, skipped)
