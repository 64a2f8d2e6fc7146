"""Where a corpus of single clips or faces lies, and which part of it is asked for."""

from pathlib import Path
from typing import Final

from trainer.data.conversation import AbsentError

_PARTS: Final = ("train", "dev", "all")


def corpus_folder(name: str, root: Path, split: str) -> tuple[Path, bool]:
    """Return the folder to read, and whether all of it is asked for.

    Args:
        name: of the corpus.
        root: the corpus's folder, or the one that holds it under its name.
        split: ``train``, ``dev``, ``all``, or the path of a folder.

    Raises:
        AbsentError: the folder is not there, or ``split`` is none of these.
    """
    folder = home(name, root)
    if split in _PARTS:
        if folder.is_dir():
            return folder, split == "all"
        message = f"the corpus {name} not found at {folder}; check --root or --data (or M2FNET_DATA)"
        raise AbsentError(message)
    given = elsewhere(folder, root, split)
    if given is not None and given.is_dir():
        return given, True
    message = f"{name} has no split {split!r}: there are train, dev and all, or give the path of a folder"
    raise AbsentError(message)


def home(name: str, root: Path) -> Path:
    """Return the corpus's folder: ``root/name`` if there is one, else ``root`` itself."""
    return root / name if (root / name).is_dir() else root


def votes_table(corpus: str, folder: Path, file: str) -> Path | None:
    """Return a table of a corpus's votes: in the corpus or in ``NAME_votes`` beside it, None without one."""
    places = (folder / file, folder.parent / f"{corpus}_votes" / file)
    return next((place for place in places if place.is_file()), None)


def elsewhere(folder: Path, root: Path, split: str) -> Path | None:
    """Return the file or folder that a split is the path of, seen from the corpus, its root or here, or None."""
    return next((path for path in (folder / split, root / split, Path(split)) if path.exists()), None)
