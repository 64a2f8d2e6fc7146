"""What must hold of the files that a command is to write, found out before any work is done."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from models.files.file_names import shown
from models.files.whole_file import FileError, require_file

_LOOKED_AT: Final = 8192  # bytes
_NEVER_IN_TEXT: Final = frozenset(range(0x09))


def require_texts(outputs: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Refuse files of text that could not be written in the end, or would replace what is read or holds no text.

    Raises:
        FileError: one can't be; none is to be written then.
    """
    require_apart(outputs, inputs)
    for output in outputs:
        require_no_binary(output)
        require_file(output)


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


def require_outside(outputs: Iterable[Path], sealed: Iterable[Path]) -> None:
    """Refuse outputs in a bundle's folder, which is to hold nothing but its own files: it could not be loaded again.

    Raises:
        FileError: one lies in such a folder; what is no folder is passed over.
    """
    folders = [Path(os.path.realpath(folder)) for folder in sealed if folder.is_dir()]
    for output in outputs:
        if any(Path(os.path.realpath(output)).is_relative_to(folder) for folder in folders):
            message = (
                f"{shown(output)} lies in the folder of a bundle, which holds only its own files; name another place"
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
