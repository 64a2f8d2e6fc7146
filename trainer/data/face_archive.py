"""Faces in ``.npz`` archives: ``pixels`` (n, 48, 48) uint8, ``label`` (n,) as indices of ``classes``, and what more."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.media.face_image import FACE_SIZE
from trainer.data.conversation import DatasetError

Arrays = Mapping[str, npt.NDArray[Any]]


def read_archive(path: Path) -> Arrays:
    """Return the arrays of an archive by name.

    Raises:
        DatasetError: it can't be read, lacks one of the three, or they are not as they should be.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: np.asarray(file[name]) for name in file.files}
        _check(path, found["pixels"], found["label"], found["classes"])
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        message = f"{path}: not an archive of pixels, label and classes: {error}"
        raise DatasetError(message) from error
    return found


def _check(path: Path, pixels: npt.NDArray[Any], labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> None:
    if pixels.shape != (len(labels), FACE_SIZE, FACE_SIZE):
        message = f"{path}: {len(labels)} labels, but pixels of the shape {pixels.shape}; (n, 48, 48) is expected"
        raise DatasetError(message)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        message = f"{path}: labels from {labels.min()} to {labels.max()}, but {len(classes)} classes"
        raise DatasetError(message)


def column(path: Path, arrays: Arrays, name: str, *further: int) -> npt.NDArray[Any]:
    """Return an array that has a row, of the shape ``further``, for each face.

    Raises:
        DatasetError: it is not there, or has another shape.
    """
    expected = (len(arrays["label"]), *further)
    if name not in arrays or arrays[name].shape != expected:
        shape = arrays[name].shape if name in arrays else "nothing"
        message = f"{path}: {name} must have the shape {expected}, one row for each face, not {shape}"
        raise DatasetError(message)
    return arrays[name]
