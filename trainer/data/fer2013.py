"""FER2013: grey faces of 48 x 48 with expression labels (Goodfellow et al., 2013).

Either as ``train.npz`` and ``dev.npz``, with ``pixels`` (n, 48, 48), ``label`` and ``classes``; or as the official
``fer2013.csv`` of the Kaggle competition, whose ``Usage`` says which split a face belongs to.
"""

import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.labels import LABEL_INDEX, LABELS
from models.media.face_image import FACE_SIZE
from trainer.data.conversation import AbsentError, DatasetError
from trainer.data.emotion_names import emotion_of
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
    try:
        with np.load(path, allow_pickle=False) as file:
            pixels, labels = np.asarray(file["pixels"]), np.asarray(file["label"]).astype(np.int64)
            names = [str(name) for name in file["classes"]]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        message = f"{path}: not an archive of pixels, label and classes: {error}"
        raise DatasetError(message) from error
    if pixels.shape != (len(labels), FACE_SIZE, FACE_SIZE):
        message = f"{path}: {len(labels)} labels, but pixels of the shape {pixels.shape}; (n, 48, 48) is expected"
        raise DatasetError(message)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        message = f"{path}: labels from {labels.min()} to {labels.max()}, but {len(names)} classes"
        raise DatasetError(message)
    order = np.array([_index(path, name) for name in names], np.int64)
    return FaceSet(pixels.astype(np.uint8, copy=False), order[labels], LABELS)


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
