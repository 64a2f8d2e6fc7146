"""Files that are there whole or not at all: written beside their place, then renamed into it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


class FileError(Exception):
    """A file can't be written; the message names it and what to do."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the place of ``path`` when the block ends without an error.

    The name is the process's own, so that several may make the same file. What an error leaves is removed.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    partial = path.with_name(f".{path.stem}-{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        message = f"{path} can't be written ({error.strerror or error}): free some space, or name another folder"
        raise FileError(message) from error
    finally:
        partial.unlink(missing_ok=True)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with whole_file(path) as partial:
        try:
            save_file(dict(tensors), partial, metadata=dict(metadata or {}))
        except SafetensorError as error:  # how it tells of a full disk
            raise OSError(str(error)) from error
        partial.chmod(0o644)  # safetensors leaves them to their owner alone
