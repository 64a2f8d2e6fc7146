"""FER2013: grey faces of 48 x 48 with expression labels (Goodfellow et al., 2013), and at times with FER+'s votes.

Either as ``train.npz`` and ``dev.npz``, with ``pixels`` (n, 48, 48), ``label`` and ``classes``; or as the official
``fer2013.csv`` of the Kaggle competition, whose ``Usage`` says which split a face belongs to.

An archive may have the votes of FER+ (Barsoum et al., 2016) beside the labels: ``votes`` (n, names) for the classes
``vote_names``, and ``matched`` (n,), whether the face is one of FER+'s.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.labels import LABEL_INDEX, LABELS
from models.media.face_image import FACE_SIZE
from trainer.data.conversation import AbsentError, DatasetError, Skipped
from trainer.data.emotion_names import emotion_of
from trainer.data.face_archive import Arrays, column, read_archive
from trainer.data.faces import FaceSet
from trainer.data.places import elsewhere, home
from trainer.data.table import Row, read_rows

_USAGE: Final = {"train": "Training", "dev": "PublicTest", "test": "PrivateTest"}
_CODES: Final = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
"""What the numbers of the CSV's column ``emotion`` mean."""
_CSV: Final = "fer2013.csv"


def load_fer2013(root: Path, split: str) -> FaceSet:
    """Return one split.

    Args:
        root: the folder with the files, or the one that holds it as ``fer2013``.
        split: ``train``, ``dev``, ``test``, or the path of a file of either kind, which is read whole.

    Raises:
        DatasetError: the file is missing, is not as it should be or names a class that is not one of the seven.
    """
    folder = home("fer2013", root)
    archive, table = folder / f"{split}.npz", folder / _CSV
    if archive.is_file():
        return _from_npz(archive)
    if split in _USAGE and table.is_file():
        return _from_csv(table, _USAGE[split])
    given = elsewhere(folder, root, split)
    if given is not None and given.is_file():
        return _from_csv(given, None) if given.suffix == ".csv" else _from_npz(given)
    message = (
        f"FER2013's {split} split not found: neither {archive} nor {table}; check --root or --data, or give a file"
    )
    raise AbsentError(message)


def _from_npz(path: Path) -> FaceSet:
    arrays = read_archive(path)
    order = np.array([_index(path, str(name)) for name in arrays["classes"]], np.int64)
    labels = order[arrays["label"].astype(np.int64)]
    faces = FaceSet(arrays["pixels"].astype(np.uint8, copy=False), labels, LABELS)
    return _with_votes(path, faces, arrays) if "votes" in arrays else faces


def _with_votes(path: Path, faces: FaceSet, arrays: Arrays) -> FaceSet:
    """Return the faces that FER+ has, with the share of its votes for each class, some of which are for none."""
    if "vote_names" not in arrays:
        message = f"{path}: it has votes, but no vote_names, which say what for"
        raise DatasetError(message)
    names = [emotion_of(str(name)) for name in arrays["vote_names"]]
    votes = column(path, arrays, "votes", len(names)).astype(np.float32)
    matched = column(path, arrays, "matched").astype(bool) & (votes.sum(axis=1) > 0)
    rows, lost = np.flatnonzero(matched), np.flatnonzero(~matched)
    shares = np.zeros((len(votes), len(LABELS)), np.float32)
    for place, name in enumerate(names):
        if name is not None:
            shares[:, LABEL_INDEX[name]] = votes[:, place]
    shares /= np.maximum(votes.sum(axis=1, keepdims=True), 1)
    skipped = tuple(
        Skipped(f"row {row} of {path.name}", "FER+ has no votes on it: most such are no faces") for row in lost
    )
    return replace(faces, votes=shares, skipped=skipped).of(rows)


def _index(path: Path, name: str) -> int:
    emotion = emotion_of(name)
    if emotion is None:
        message = f"{path}: unknown class {name!r}; expected FER2013's seven"
        raise DatasetError(message)
    return LABEL_INDEX[emotion]


def _from_csv(path: Path, usage: str | None) -> FaceSet:
    rows = (row for row in read_rows(path, ("emotion", "pixels", "Usage"), "the official fer2013.csv"))
    chosen = [row for row in rows if usage is None or row["Usage"] == usage]
    if not chosen:
        message = f"{path}: no faces with the Usage {usage}"
        raise AbsentError(message)
    labels = np.array([_label(row) for row in chosen], np.int64)
    return FaceSet(np.stack([_pixels(row) for row in chosen]), labels, LABELS)


def _label(row: Row) -> int:
    code = row.whole("emotion")
    if not 0 <= code < len(_CODES):
        message = f"emotion must be from 0 to 6, not {code}"
        raise row.wrong(message)
    return LABEL_INDEX[_CODES[code]]


def _pixels(row: Row) -> npt.NDArray[np.uint8]:
    try:
        pixels = np.array(row["pixels"].split(), np.uint8)
        return pixels.reshape(FACE_SIZE, FACE_SIZE)
    except (ValueError, OverflowError) as error:
        message = "pixels must be 48 x 48 whole numbers from 0 to 255"
        raise row.wrong(message) from error
