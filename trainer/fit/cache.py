"""What was computed, kept on disk: files named by everything they were made from, there whole or not at all.

A name holds the SHA-256 of all that the contents depend on: media files (name, size, time of change), networks'
weights, every setting that matters. So nothing stale is ever read: what has changed has another name. What is damaged
counts as not there. Old files are left, since settings often alternate; the folder may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.files.whole_file import whole_file

Arrays = Mapping[str, npt.NDArray[Any]]
"""What was made of one example, by name."""

_PRESENT: Final = "present"
_LENGTHS: Final = ".lengths"
_COUNT: Final = "count"


def digest(*parts: object) -> str:
    """Return the SHA-256 of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def network_digest(network: nn.Module) -> str:
    """Return the SHA-256 of what a network is made of and of its weights."""
    found = hashlib.sha256(str(network).encode())
    for name, tensor in network.state_dict().items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def arrays_digest(arrays: Sequence[npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays and their shapes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def cached(path: Path, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Return the tensors of a file; where it is not there or damaged they are made and written first.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    known = load_tensors(path)
    if known is not None:
        return known[0]
    made = make()
    save_tensors(made, path)
    return made


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


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Return a file's tensors and metadata, None if it is not there or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        return None


def save_rows(rows: Sequence[Arrays | None], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the arrays of some examples, of any lengths, joined; None of those that have nothing to make them from.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    present = {place: row for place, row in enumerate(rows) if row is not None}
    tensors = {_PRESENT: torch.tensor(list(present), dtype=torch.int64)}
    for name in next(iter(present.values()), {}):
        pieces = [row[name] for row in present.values()]
        tensors[name] = torch.from_numpy(np.concatenate(pieces))
        tensors[name + _LENGTHS] = torch.tensor([len(piece) for piece in pieces], dtype=torch.int64)
    save_tensors(tensors, path, {_COUNT: str(len(rows)), **(metadata or {})})


def load_rows(path: Path) -> tuple[list[Arrays | None], dict[str, str]] | None:
    """Return what :func:`save_rows` wrote and its metadata, None if it is not there or damaged."""
    found = load_tensors(path)
    if found is None:
        return None
    tensors, metadata = found
    names = [name for name in tensors if name + _LENGTHS in tensors]
    ends = {name: np.cumsum(tensors[name + _LENGTHS].numpy())[:-1] for name in names}
    pieces = {name: np.split(tensors[name].numpy(), ends[name]) for name in names}
    rows: list[Arrays | None] = [None] * int(metadata[_COUNT])
    for index, place in enumerate(tensors[_PRESENT].tolist()):
        rows[place] = {name: parts[index] for name, parts in pieces.items()}
    return rows, metadata
