"""How a network's weights are kept in a bundle: in half precision or as 8-bit integers, in files of bounded size."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

Precision = Literal["float16", "int8"]

_SCALE: Final = ".scale"
_HIGHEST: Final = 127


class WeightError(Exception):
    """Weights can't be kept or read; the message says which and why."""


def pack(weights: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    """Return the weights as they are stored.

    Matrices and kernels are halved, or rounded to 8 bits with one float32 scale for each output (``<name>.scale``:
    symmetric, weight only; they are computed with as float32 again). Vectors cost nothing and hold what is too fine
    for either, so they stay.

    Raises:
        WeightError: a weight is not finite in the precision.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or tensor.dim() < 2:  # noqa: PLR2004 - a matrix has two dimensions
            packed[name] = tensor
        elif precision == "int8":
            packed |= _rounded(name, tensor.float())
        else:
            packed[name] = tensor.half()
    broken = [name for name, tensor in packed.items() if not torch.isfinite(tensor).all()]
    if broken:
        message = f"weights that are not finite in {precision}: {', '.join(broken)}"
        raise WeightError(message)
    return {name: tensor.contiguous() for name, tensor in packed.items()}


def _rounded(name: str, tensor: Tensor) -> dict[str, Tensor]:
    rows = tensor.flatten(1)
    scale = rows.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / _HIGHEST
    codes = (rows / scale[:, None]).round().clamp(-_HIGHEST, _HIGHEST)
    return {name: codes.to(torch.int8).reshape(tensor.shape), name + _SCALE: scale}


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return stored weights as float32 (counters as they are)."""
    return {name: _restored(name, tensor, stored) for name, tensor in stored.items() if not _is_scale(name, stored)}


def _is_scale(name: str, stored: Mapping[str, Tensor]) -> bool:
    owner = stored.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
    return owner is not None and owner.dtype == torch.int8


def _restored(name: str, tensor: Tensor, stored: Mapping[str, Tensor]) -> Tensor:
    if tensor.dtype == torch.int8 and name + _SCALE in stored:
        return tensor.float() * stored[name + _SCALE].reshape(-1, *[1] * (tensor.dim() - 1))
    return tensor.float() if tensor.is_floating_point() else tensor


def save_sharded(stored: Mapping[str, Tensor], folder: Path, name: str, limit: int) -> list[str]:
    """Write ``<name>.safetensors``, or ``<name>-1-of-n.safetensors``… of at most ``limit`` bytes; return their names.

    A tensor larger than the limit has a file to itself.
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


def _shards(stored: Mapping[str, Tensor], limit: int) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in stored.items():
        if shard and size + tensor.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard


def load_sharded(paths: list[Path]) -> dict[str, Tensor]:
    """Return the weights that several files hold together, as float32.

    Raises:
        WeightError: a file is not a safetensors file.
    """
    stored: dict[str, Tensor] = {}
    for path in paths:
        try:
            stored |= load_file(path)
        except SafetensorError as error:
            message = f"{path} is not a safetensors file ({error})"
            raise WeightError(message) from error
    return unpack(stored)
