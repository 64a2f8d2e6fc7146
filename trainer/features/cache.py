"""What was made of blocks of utterances, on disk: files named by everything they were made from.

A name holds the SHA-256 of all that a block depends on: the media files (name, size, time of change), the networks'
weights, every setting that matters, and :data:`CODE_VERSION`. So nothing stale is ever read: what has changed has
another name. Old files are left, since settings often alternate; the folder may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from models.files.whole_file import whole_file
from trainer.data.conversation import Clip, Utterance
from trainer.features.media import MediaFault, Part, media_file
from trainer.fit.outputs import Floats
from trainer.fit.tensor_files import save_tensors

CODE_VERSION: Final = 2
"""To be raised when decoding, or the way from media to features, changes what comes out."""

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Row:
    """What a branch says of one utterance: embedding ``(dim,)`` and logits ``(classes,)``."""

    embedding: Floats
    logits: Floats


@dataclass(frozen=True, eq=False)
class Block(Generic[Value]):
    """What was made of some utterances, None of those that have nothing to make it from, and what was wrong."""

    values: Sequence[Value | None]
    faults: Sequence[MediaFault] = ()


def save_rows(block: Block[Row], path: Path) -> None:
    """Write rows as safetensors, whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    present = {place: row for place, row in enumerate(block.values) if row is not None}
    tensors = {"present": torch.tensor(list(present), dtype=torch.int64)}
    if present:
        tensors["embeddings"] = torch.from_numpy(np.stack([row.embedding for row in present.values()]))
        tensors["logits"] = torch.from_numpy(np.stack([row.logits for row in present.values()]))
    save_tensors(tensors, path, {"count": str(len(block.values)), "faults": json.dumps(_plain(block.faults))})


def load_rows(path: Path) -> Block[Row] | None:
    """Return a block written by :func:`save_rows`, None if it is not there or damaged: then it is made again."""
    try:
        with safe_open(path, framework="numpy") as file:
            values: list[Row | None] = [None] * int(file.metadata()["count"])
            arrays = [file.get_tensor(name) for name in ("embeddings", "logits") if name in file.keys()]  # noqa: SIM118
            for place, *row in zip(file.get_tensor("present"), *arrays, strict=True):
                values[place] = Row(*row)
            return Block(values, _faults(json.loads(file.metadata()["faults"])))
    except (OSError, SafetensorError):
        return None


def save_words(block: Block[str], path: Path) -> None:
    """Write transcripts as JSON, whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with whole_file(path) as partial:
        partial.write_text(json.dumps({"values": list(block.values), "faults": _plain(block.faults)}), encoding="utf-8")


def load_words(path: Path) -> Block[str] | None:
    """Return a block written by :func:`save_words`, None if it is not there or damaged: then it is made again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Block(found["values"], _faults(found["faults"]))


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


def media_identity(utterance: Utterance, part: Part) -> list[object]:
    """Return what says which sound or images an utterance has; a corpus that was moved stays the same."""
    clip = utterance.clip or Clip()
    stretch = [clip.start_ms, clip.end_ms, clip.half, clip.sound_is_cut]
    return [utterance.name, stretch, _file_identity(media_file(clip, part))]


def _file_identity(path: Path | None) -> list[object]:
    if path is None:
        return []
    try:
        found = path.stat()
    except OSError:
        return [path.name, "missing"]
    return [path.name, found.st_size, found.st_mtime_ns]


def _plain(faults: Sequence[MediaFault]) -> list[dict[str, Any]]:
    return [asdict(fault) for fault in faults]


def _faults(plain: Sequence[dict[str, Any]]) -> list[MediaFault]:
    return [MediaFault(**fault) for fault in plain]
