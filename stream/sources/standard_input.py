"""What comes from the standard input or a pipe, kept as a file while it is read: few kinds can be read in one go."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from models.files.file_names import shown
from models.user_error import UserError

STDIN: Final = "-"
NAME: Final = "standard input"


class InputError(UserError):
    """There is nothing to be read; the message says why and what to do."""


@contextmanager
def as_file(given: str) -> Iterator[Path]:
    """Yield the path of a file with what was given: the path itself, or that of a copy of a pipe's contents.

    Args:
        given: a path, or ``-`` for the standard input.

    Raises:
        InputError: the standard input is a terminal, a pipe holds nothing, or more than can be kept.
    """
    if not is_pipe(given):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="m2fnet-") as folder:
        kept = Path(folder) / Path(input_name(given)).name
        _keep(given, kept)
        if not kept.stat().st_size:
            message = f"{input_name(given)} is empty: what writes into it has given nothing"
            raise InputError(message)
        yield kept


def is_pipe(given: str) -> bool:
    """Return whether what was given can be read only once."""
    return given == STDIN or Path(given).is_fifo()


def input_name(given: str) -> str:
    """Return what an input is called for people: its path, but for the standard input."""
    return NAME if given == STDIN else given


def _keep(given: str, kept: Path) -> None:
    try:
        with kept.open("wb") as file:
            if given != STDIN:
                with Path(given).open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
            else:
                shutil.copyfileobj(_stdin(), file)
    except OSError as error:
        place, why = shown(kept.parent.parent), error.strerror or str(error)
        message = f"{input_name(given)} can't be kept in {place} ({why}): free some space, or name a folder by TMPDIR"
        raise InputError(message) from error


def _stdin() -> IO[bytes]:
    if sys.stdin is None or sys.stdin.closed:
        message = "- is the standard input, which is closed here; give the name of a file"
        raise InputError(message)
    if sys.stdin.isatty():
        message = (
            "- is the standard input, which is the terminal here; pipe something into it, or give the name of a file"
        )
        raise InputError(message)
    return sys.stdin.buffer
