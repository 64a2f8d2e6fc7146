"""How a network's weights are kept in a bundle: in half precision or as 8-bit integers, in files of bounded size."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

Array = npt.NDArray[Any]
Precision = Literal["float16", "int8"]

_SCALE: Final = ".scale"
_HIGHEST: Final = 127


class WeightError(Exception):
    """Weights can't be kept or read; the message says which and why."""


def pack(weights: Mapping[str, Array], precision: Precision) -> dict[str, Array]:
    """Return the weights as they are stored.

    Matrices and kernels are halved, or rounded to 8 bits with one float32 scale for each output (``<name>.scale``:
    symmetric, weight only; they are computed with as float32 again). Vectors cost nothing and hold what is too fine
    for either, so they stay.

    Raises:
        WeightError: a weight is not finite in the precision.
    """
    packed: dict[str, Array] = {}
    for name, array in weights.items():
        if array.dtype.kind != "f" or array.ndim < 2:  # noqa: PLR2004 - a matrix has two dimensions
            packed[name] = array
        elif precision == "int8":
            packed |= _rounded(name, array.astype(np.float32))
        else:
            with np.errstate(over="ignore"):  # what overflows is told below
                packed[name] = array.astype(np.float16)
    broken = [name for name, array in packed.items() if not np.isfinite(array).all()]
    if broken:
        message = f"weights that are not finite in {precision}: {', '.join(broken)}"
        raise WeightError(message)
    return {name: np.asarray(array, order="C") for name, array in packed.items()}


def _rounded(name: str, array: Array) -> dict[str, Array]:
    codes, scale = rounded(array.reshape(len(array), -1))
    return {name: codes.reshape(array.shape), name + _SCALE: scale}


def rounded(rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return what ``(rows, columns)`` float32 are nearest to: ``(rows, columns)`` int8 times ``(rows,)`` scales.

    Where a row is not finite its scale is not.
    """
    scale = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny) / np.float32(_HIGHEST)
    with np.errstate(invalid="ignore"):  # what is not finite is told by the scale
        codes = np.rint(rows / scale[:, None]).clip(-_HIGHEST, _HIGHEST).astype(np.int8)
    return codes, scale


def unpack(stored: Mapping[str, Array]) -> dict[str, Array]:
    """Return stored weights as float32 (counters as they are)."""
    return {name: _restored(name, array, stored) for name, array in stored.items() if not _is_scale(name, stored)}


def _is_scale(name: str, stored: Mapping[str, Array]) -> bool:
    owner = stored.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
    return owner is not None and owner.dtype == np.int8


def _restored(name: str, array: Array, stored: Mapping[str, Array]) -> Array:
    if array.dtype == np.int8 and name + _SCALE in stored:
        return array.astype(np.float32) * stored[name + _SCALE].reshape(-1, *[1] * (array.ndim - 1))
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def save_sharded(stored: Mapping[str, Array], folder: Path, name: str, limit: int) -> list[str]:
    """Write ``<name>.safetensors``, or ``<name>-1-of-n.safetensors``… of at most ``limit`` bytes; return their names.

    An array larger than the limit has a file to itself.
    """
    shards = list(_shards(stored, limit))
    names = [f"{name}.safetensors"]
    if len(shards) > 1:
        names = [f"{name}-{index}-of-{len(shards)}.safetensors" for index in range(1, len(shards) + 1)]
    for file, shard in zip(names, shards, strict=True):
        try:
            save_file(shard, folder / file)
        except SafetensorError as error:  # how it tells of a full disk
            raise OSError(str(error)) from error
        (folder / file).chmod(0o644)  # safetensors leaves them to their owner alone
    return names


def _shards(stored: Mapping[str, Array], limit: int) -> Iterator[dict[str, Array]]:
    shard: dict[str, Array] = {}
    size = 0
    for name, array in stored.items():
        if shard and size + array.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = array
        size += array.nbytes
    yield shard


def load_sharded(paths: list[Path]) -> dict[str, Array]:
    """Return the weights that several files hold together, as float32.

    Raises:
        WeightError: a file is not a safetensors file.
    """
    stored: dict[str, Array] = {}
    for path in paths:
        try:
            stored |= load_file(path)
        except SafetensorError as error:
            message = f"{path} is not a safetensors file ({error})"
            raise WeightError(message) from error
    return unpack(stored)
