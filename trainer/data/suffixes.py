"""Which files are taken for sound and which for pictures, by the ends of their names."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

SOUND: Final = frozenset({".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"})
PICTURE: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})


def files_under(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of a folder and all below it that end so, in a fixed order, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and not _hidden(path, folder))
    return sorted(path for path in found if path.is_file())


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
