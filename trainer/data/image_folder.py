"""Faces as image files: one folder an identity, as CASIA-WebFace has them, or one an expression."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.media.face_image import FACE_SIZE
from trainer.data.conversation import DatasetError, Skipped
from trainer.data.emotion_names import classes_of
from trainer.data.faces import FaceSet
from trainer.data.label_folders import IMAGE, labelled_files

Face = npt.NDArray[np.uint8]


def load_image_folder(root: Path, split: str) -> FaceSet:
    """Return the faces of one split; folders named after the seven emotions get those labels, others their own.

    Each image is taken to be a face already cut out: its middle square, grey, at the extractor's size. What can't be
    read is skipped and named.

    Args:
        root: the folder of the labels' folders, or of ``train``, ``dev`` and ``test`` with these in them.
        split: one of those, ``all``, or the path of a folder; see :func:`trainer.data.label_folders.labelled_files`.

    Raises:
        DatasetError: there is no such split, or no image in folders of labels can be read.
    """
    found = labelled_files("imagefolder", root, split, IMAGE)
    classes, index = classes_of(found.labels)
    with ThreadPoolExecutor() as pool:
        read = list(pool.map(read_face, (file.path for file in found.files)))
    faces = [face for face in read if face is not None]
    if not faces:
        message = f"none of the {len(read)} images of {root} can be read"
        raise DatasetError(message)
    labels = [index[file.label] for file, face in zip(found.files, read, strict=True) if face is not None]
    broken = [file.path.name for file, face in zip(found.files, read, strict=True) if face is None]
    skipped = [Skipped(path.name, "it is in no folder of a label") for path in found.loose]
    skipped += [Skipped(name, "it can't be read as an image") for name in broken]
    return FaceSet(np.stack(faces), np.array(labels, np.int64), classes, tuple(skipped))


def read_face(path: Path) -> Face | None:
    """Return the middle square of an image, grey, ``(48, 48)``; None if it can't be read."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return None
    side = min(image.shape)
    top, left = ((length - side) // 2 for length in image.shape)
    square = image[top : top + side, left : left + side]
    return cv2.resize(square, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
