"""Checkpoints of a training run: written whole or not at all, and refused with a reason where they don't fit."""

import pickle
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from models.files.whole_file import FileError, whole_file
from models.user_error import UserError

State = dict[str, Any]

_SHOWN: Final = 3  # differences named in a message before "and n more"
_UNREADABLE: Final = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError)


class CheckpointError(UserError):
    """A checkpoint can't be gone on from; the message says why and what to do."""


def save_checkpoint(state: State, path: Path) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with whole_file(path) as partial, partial.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # what torch makes of a write that failed
            message = f"{path} can't be written ({' '.join(str(error).split())}): free some space"
            raise FileError(message) from error


def load_checkpoint(path: Path) -> State:
    """Return what :func:`save_checkpoint` wrote, on the CPU.

    Raises:
        CheckpointError: it is damaged, or holds more than tensors and plain values.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        message = f"{path} is missing, damaged or no checkpoint: remove it to begin again, or name another --runs"
        raise CheckpointError(message) from error
    if not isinstance(state, dict) or "model" not in state:
        message = f"{path} is no checkpoint of this program: remove it to begin again, or name another --runs"
        raise CheckpointError(message)
    return state


def check_shapes(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], path: Path) -> None:
    """Check that stored weights are those of a network of the same build.

    Raises:
        CheckpointError: the message names some of the weights that differ.
    """
    if problems := list(_shape_problems(wanted, stored)):
        message = f"{path} is of another network ({_first(problems)}): name another --runs, or remove it to begin again"
        raise CheckpointError(message)


def _shape_problems(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> Iterator[str]:
    for name in wanted.keys() | stored.keys():
        if name not in stored:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} is unknown"
        elif wanted[name].shape != stored[name].shape:
            yield f"{name} is {list(stored[name].shape)}, not {list(wanted[name].shape)}"


def check_settings(wanted: Mapping[str, object], stored: Mapping[str, object], path: Path) -> None:
    """Check that a run is gone on with under the settings it was begun with; what either lacks is not compared.

    Args:
        wanted: nested values, as JSON has them.
        stored: those the checkpoint was written with.
        path: the checkpoint, for the message.

    Raises:
        CheckpointError: the message names some of the settings that differ.
    """
    if problems := list(_changes(wanted, stored)):
        message = (
            f"{path} was begun with other settings ({_first(problems)}): "
            "go on with those, name another --runs, or remove it to begin again"
        )
        raise CheckpointError(message)


def _changes(wanted: Mapping[str, object], stored: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for key in (key for key in stored if key in wanted):
        before, now = stored[key], wanted[key]
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from _changes(now, before, f"{prefix}{key}.")
        elif before != now:
            yield f"{prefix}{key} was {before}, is {now}"


def _first(problems: list[str]) -> str:
    rest = len(problems) - _SHOWN
    return "; ".join(islice(sorted(problems), _SHOWN)) + (f"; and {rest} more" if rest > 0 else "")
