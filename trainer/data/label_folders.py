"""Files sorted into folders by their label: ``root/<label>/**``, or ``root/train/<label>/**`` and so on."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainer.data.conversation import AbsentError
from trainer.data.places import elsewhere, home

_PARTS: Final = ("train", "dev", "test")
_DEV_ONE_IN: Final = 10


SOUND: Final = frozenset({".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"})
IMAGE: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})


def files_under(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of a folder and all below it that end so, in a fixed order, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    shown = (path for path in found if not any(map(is_hidden, path.relative_to(folder).parts)))
    return sorted(path for path in shown if path.is_file())


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is no part of the data, as with macOS's leavings."""
    return name.startswith(".") or name == "__MACOSX"


@dataclass(frozen=True)
class LabelledFile:
    """A file, the folder of its label, and the first folder in that, empty if it is in none."""

    path: Path
    label: str
    folder: str = ""


@dataclass(frozen=True)
class LabelledFiles:
    """The files of a split, those without a label, and the labels of the whole corpus."""

    files: tuple[LabelledFile, ...]
    labels: tuple[str, ...]
    loose: tuple[Path, ...]


def labelled_files(name: str, root: Path, split: str, suffixes: Collection[str]) -> LabelledFiles:
    """Return the files of one split.

    A corpus without folders for train and dev has a tenth of its files as dev, chosen by their names alone, so that
    it is the same on every machine; who is to be seen or heard is not kept apart then.

    Args:
        name: of the kind of corpus; ``root/name`` is taken where it exists.
        root: the corpus.
        split: ``train``, ``dev`` or ``test``; ``all``; or the path of a folder, which is read whole.
        suffixes: the endings of the files meant.

    Raises:
        AbsentError: there is no such split, or no file in a folder of a label.
    """
    base = home(name, root)
    parts = [base / part for part in _PARTS if (base / part).is_dir()]
    folders = _folders(base, parts, root, split)
    found = [(folder, path) for folder in folders for path in files_under(folder, suffixes)]
    files = [_labelled(path.relative_to(folder), path) for folder, path in found if path.parent != folder]
    if not files:
        message = f"no files in folders of labels in {', '.join(map(str, folders))}: <label>/<file> is expected there"
        raise AbsentError(message)
    if not parts and split in {"train", "dev"}:
        files = [file for file in files if _is_held_out(file.path, base) == (split == "dev")]
    related = parts if set(folders) <= set(parts) else folders
    labels = {
        folder.name for part in related for folder in part.iterdir() if folder.is_dir() and not is_hidden(folder.name)
    }
    loose = tuple(path for folder, path in found if path.parent == folder)
    return LabelledFiles(tuple(files), tuple(sorted(labels)), loose)


def _labelled(below: Path, path: Path) -> LabelledFile:
    label, *folders = below.parts[:-1]
    return LabelledFile(path, label, folders[0] if folders else "")


def _folders(base: Path, parts: Sequence[Path], root: Path, split: str) -> list[Path]:
    if split == "all":
        return list(parts) or [base]
    if split in _PARTS[:2] and not parts:
        return [base]
    given = elsewhere(base, root, split)  # base/train and so on among them
    if given is not None and given.is_dir():
        return [given]
    there = ", ".join([*([part.name for part in parts] or _PARTS[:2]), "all"])
    message = f"{base} has no split {split!r}: there are {there}, or give the path of a folder"
    raise AbsentError(message)


def _is_held_out(path: Path, base: Path) -> bool:
    digest = hashlib.sha256(path.relative_to(base).as_posix().encode()).digest()
    return int.from_bytes(digest[:8], "big") % _DEV_ONE_IN == 0
