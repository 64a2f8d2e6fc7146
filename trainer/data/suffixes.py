"""Which files are taken for sound and which for pictures, by the ends of their names."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

SOUND: Final = frozenset({".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"})
PICTURE: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})


def files_under(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of a folder and all below it that end so, in a fixed order, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    shown = (path for path in found if not any(map(is_hidden, path.relative_to(folder).parts)))
    return sorted(path for path in shown if path.is_file())


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is no part of the data, as with macOS's leavings."""
    return name.startswith(".") or name == "__MACOSX"
