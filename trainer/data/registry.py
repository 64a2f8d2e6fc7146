"""Every corpus by its name: what commands and configurations read data with."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from trainer.data.audiofolder import load_audiofolder
from trainer.data.conversation import Conversations, DatasetError, Split
from trainer.data.faces import FaceSet
from trainer.data.faces_press import load_faces_press
from trainer.data.fer2013 import load_fer2013
from trainer.data.iemocap import load_iemocap
from trainer.data.image_folder import load_image_folder
from trainer.data.meld import load_meld
from trainer.data.names import CLIPS, CONVERSATIONS, FACES
from trainer.data.own import load_own
from trainer.data.speech import LabelledClips, load_corpus


def load_conversations(
    dataset: str, root: Path, split: str, *, media: bool = True, labels: Sequence[str] | None = None
) -> Conversations:
    """Return one split of a corpus of conversations.

    Args:
        dataset: ``meld``, ``iemocap`` or ``csv``.
        root: where it is (docs/datasets.md).
        split: ``train``, ``dev`` or ``test``; for ``csv`` and ``meld`` also the path of a table.
        media: whether to look for sound and images.
        labels: for ``csv`` the label set in its order; by default that of its train split.

    Raises:
        DatasetError: there is no such corpus or split, or the data are not as they should be.
    """
    if dataset == "csv":
        return load_own(root, split, labels, media=media)
    if dataset == "meld":
        return load_meld(root, split, media=media)
    if dataset == "iemocap":
        return load_iemocap(root, split_of(dataset, split), media=media)
    raise _unknown(dataset, CONVERSATIONS)


def split_of(dataset: str, split: str) -> Split:
    """Return the split by its name.

    Raises:
        DatasetError: it is none of the three.
    """
    splits: tuple[Split, ...] = get_args(Split)
    for known in splits:
        if split == known:
            return known
    message = f"{dataset} has no split {split!r}: there are {', '.join(splits)}"
    raise DatasetError(message)


def load_clips(dataset: str, root: Path, split: str) -> LabelledClips:
    """Return labelled sound of one corpus.

    Args:
        dataset: one of :data:`trainer.data.names.CLIPS`.
        root: the corpus's folder, or the one that holds it under its name.
        split: ``train``, ``dev``, ``all``, or the path of a folder, which is read whole.

    Raises:
        DatasetError: there is no such corpus or split, or the data are not as they should be.
    """
    if dataset == "audiofolder":
        return load_audiofolder(root, split)
    if dataset in CLIPS:
        return load_corpus(dataset, root, split)
    raise _unknown(dataset, CLIPS)


def load_faces(dataset: str, root: Path, split: str) -> FaceSet:
    """Return labelled faces of one corpus.

    Args:
        dataset: one of :data:`trainer.data.names.FACES`.
        root: the corpus's folder, or the one that holds it under its name.
        split: ``train``, ``dev``, ``test``, or the path of a file (``fer2013``, ``faces_press``) or folder
            (``imagefolder``).

    Raises:
        DatasetError: there is no such corpus or split, or the data are not as they should be.
    """
    if dataset == "fer2013":
        return load_fer2013(root, split)
    if dataset == "faces_press":
        return load_faces_press(root, split)
    if dataset == "imagefolder":
        return load_image_folder(root, split)
    raise _unknown(dataset, FACES)


def _unknown(dataset: str, known: Sequence[str]) -> DatasetError:
    return DatasetError(f"no corpus {dataset!r} here: there are {', '.join(known)}")
