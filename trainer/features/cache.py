"""What was made of blocks of utterances, on disk; see :mod:`trainer.fit.cache`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from trainer.data.conversation import Clip, Utterance
from trainer.features.media import MediaFault, Part, media_file
from trainer.fit.cache import Arrays, load_rows, save_rows
from trainer.fit.outputs import Floats

CODE_VERSION: Final = 3
"""To be raised when decoding, or the way from media to features, changes what comes out."""

_FAULTS: Final = "faults"


@dataclass(frozen=True, eq=False)
class FeatureBlock:
    """What was made of some utterances, None of those that have nothing to make it from, and what was wrong."""

    values: Sequence[Arrays | None]
    faults: Sequence[MediaFault] = ()


def row(embedding: Floats, logits: Floats) -> Arrays:
    """Return what a branch says of one utterance: embedding ``(dim,)`` and logits ``(classes,)``."""
    return {"embedding": embedding, "logits": logits}


def save_block(block: FeatureBlock, path: Path) -> None:
    """Write a block whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    save_rows(block.values, path, {_FAULTS: json.dumps([asdict(fault) for fault in block.faults])})


def load_block(path: Path) -> FeatureBlock | None:
    """Return a block written by :func:`save_block`, None if it is not there or damaged: then it is made again."""
    found = load_rows(path)
    if found is None:
        return None
    values, metadata = found
    return FeatureBlock(values, [MediaFault(**fault) for fault in json.loads(metadata[_FAULTS])])


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
