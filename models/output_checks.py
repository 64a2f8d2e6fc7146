"""What must hold of the files that a command is to write, found out before any work is done."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models.file_names import shown
from models.whole_file import FileError

_LOOKED_AT: Final = 8192  # bytes
_NEVER_IN_TEXT: Final = frozenset(range(0x09))


def require_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that would replace an input, a file of a folder that is one, or each other.

    Files are the same whatever they are called: by another path, a link, or in other letters where a disk takes these
    for the same.

    Raises:
        FileError: one would; nothing is to be written then.
    """
    sources, seen = list(inputs), set[str]()
    for output in outputs:
        for source in sources:
            if _replaces(output, source):
                message = f"{shown(output)} is also what is read{_of(source, output)}; give the output another name"
                raise FileError(message)
        place = os.path.realpath(output)
        if place in seen:
            message = f"{shown(output)} is named for two outputs; give each a name of its own"
            raise FileError(message)
        seen.add(place)


def require_no_binary(output: Path) -> None:
    """Refuse to replace a file that holds no text, such as a recording, by text.

    Raises:
        FileError: it is there and holds something else.
    """
    try:
        if not output.is_file():
            return
        with output.open("rb") as file:
            found = file.read(_LOOKED_AT)
    except OSError:  # what can't be read may still be written: who writes will see
        return
    if not _NEVER_IN_TEXT.isdisjoint(found):
        message = (
            f"{shown(output)} is there already and holds no text, but perhaps media; remove it, or give another name"
        )
        raise FileError(message)


def _replaces(output: Path, source: Path) -> bool:
    if not output.exists() or not source.exists():
        return False
    if source.is_dir():
        return output.is_file() and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(source))
    return output.samefile(source)


def _of(source: Path, output: Path) -> str:
    return "" if source == output else f" ({shown(source)})"
