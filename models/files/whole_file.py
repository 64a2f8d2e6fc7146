"""Files that are there whole or not at all: written beside their place, then renamed into it."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.files.file_names import shown
from models.user_error import UserError

_STEM: Final = 40  # characters of a name that are kept in that of its partial file: names may not be longer than 255
_NEW: Final = 0o666  # less what the user's umask takes
_BLOCK: Final = b"\0" * 4096
_FORBIDDEN: Final = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_NO_ROOM: Final = "free some space, or name another folder"


class FileError(UserError):
    """A file can't be written; the message names it and what to do."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    A link stays one, its file is replaced; so are the rights of a file that was there. What is no file, such as
    ``/dev/null`` or a pipe, is written to directly. Several may make the same file. What an error leaves is removed.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with told_of(path):
        if _is_special(path):
            yield path
            return
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(place)
        try:
            yield partial
            _settle(partial, place)
        finally:
            partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text as a file that is there whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding=encoding)


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Have errors of the disk in the block told as those of writing ``path``.

    Raises:
        FileError: there was one.
    """
    try:
        yield
    except OSError as error:
        advice = "choose a place that you may write to" if error.errno in _FORBIDDEN else _NO_ROOM
        message = f"{shown(path)} can't be written ({error.strerror or error}): {advice}"
        raise FileError(message) from error


def require_file(path: Path) -> None:
    """Refuse at once a file that could not be written in the end; nothing is changed.

    Raises:
        FileError: it is a folder or protected, its folder is missing or can't be written, or the disk is full.
    """
    with told_of(path):
        if path.is_dir():
            raise _refused(path, "it is a folder; give the name of a file")
        if not path.parent.is_dir():
            raise _refused(path, f"the folder {shown(path.parent)} does not exist; make it first")
        if not _is_special(path):
            _probe(Path(os.path.realpath(path)))


def require_folder(path: Path) -> None:
    """Make a folder, if it is missing, and see whether it takes files.

    Raises:
        FileError: it does not.
    """
    with told_of(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise _refused(path, "it is not a folder; give the name of one") from error
        _probe(path / "probe")


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _probe(place: Path) -> None:
    partial = _partial(place)
    try:
        partial.write_bytes(_BLOCK)
    finally:
        partial.unlink(missing_ok=True)


def _partial(place: Path) -> Path:
    """Make an empty file beside a place, with the rights of the file there."""
    rights = _NEW
    if place.exists():
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        rights = place.stat().st_mode & 0o777
    partial = place.with_name(f".{place.stem[:_STEM]}-{secrets.token_hex(4)}.partial{place.suffix}")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights))
    return partial


def _settle(partial: Path, place: Path) -> None:
    """Put a file that was written in its place, its contents first: a disk may tell only then that it is full."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if place.exists():
        shutil.copymode(place, partial)
    partial.replace(place)


def _refused(path: Path, why: str) -> FileError:
    return FileError(f"{shown(path)} can't be written: {why}")
