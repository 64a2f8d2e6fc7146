"""What the extractors learn from in conversations: the sound of every utterance, and some of its images."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open

from models.media.scene_image import SCENE_SIZE, shrink_scene
from models.media.spectrogram import SAMPLE_RATE
from trainer.data.conversation import Conversations
from trainer.features.blocks import Reader, read_media
from trainer.features.cache import Block
from trainer.features.extract import FeatureSettings, split_folder
from trainer.features.media import Limits, Media, MediaFault, Part, tally
from trainer.fit.tensor_files import save_tensors
from trainer.stages.audio import Sounds, trim
from trainer.stages.scene import Scenes

Kept = npt.NDArray[Any]

_SHORTEST: Final = SAMPLE_RATE // 10  # less sound than this says nothing
_FULL_SCALE: Final = 32768
_log: Final = logging.getLogger(__name__)


def conversation_sounds(conversations: Conversations, cache: Path, settings: FeatureSettings) -> Sounds:
    """Return the sound of every utterance that has some, without the silence at its ends, 8 s at most.

    Args:
        conversations: one split; its labels are those of the sounds.
        cache: a folder; what was decoded before is read from it.
        settings: ``max_seconds`` and ``workers`` count.

    Raises:
        FileError: the disk is full or the cache can't be written.
    """

    def read(media: Media) -> Kept | None:
        sound = np.empty(0, np.float32) if media.sound is None else trim(media.sound)
        if len(sound) < _SHORTEST:
            return None
        return np.clip(sound * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)

    reader = Reader("sounds", "sound", [], read, _save, _load)
    rows, values = _present(conversations, reader, cache, settings.limits, settings.workers)
    samples = [value.astype(np.float32) / np.float32(_FULL_SCALE) for value in values]
    labels = [conversations.utterances[row].label for row in rows]
    return Sounds.of(samples, labels, [conversations.corpus] * len(rows), conversations.labels)


def conversation_scenes(conversations: Conversations, frames: int, cache: Path, settings: FeatureSettings) -> Scenes:
    """Return some whole images of every utterance that has any, each with the emotion of what is said.

    Args:
        conversations: one split; its labels are those of the images.
        frames: images of each utterance, evenly spaced.
        cache: a folder; what was decoded before is read from it.
        settings: ``max_seconds`` and ``workers`` count.

    Raises:
        FileError: the disk is full or the cache can't be written.
    """

    def read(media: Media) -> Kept | None:
        return np.stack([shrink_scene(frame) for frame in media.frames]) if media.frames else None

    reader = Reader("scenes", "images", SCENE_SIZE, read, _save, _load)
    rows, values = _present(conversations, reader, cache, Limits(frames, settings.max_seconds), settings.workers)
    pixels = np.concatenate([np.empty((0, SCENE_SIZE, SCENE_SIZE, 3), np.uint8), *values])
    labels = [conversations.utterances[row].label for row, value in zip(rows, values, strict=True) for _ in value]
    return Scenes(pixels, np.array(labels, np.int64), conversations.labels)


def _present(
    conversations: Conversations, reader: Reader[Kept], cache: Path, limits: Limits, workers: int
) -> tuple[list[int], list[Kept]]:
    """Return what there is, and of which utterances."""
    folder = split_folder(cache, conversations)
    (block,) = read_media(conversations.utterances, [reader], folder, limits, workers)
    _tell(conversations, reader.part, block.faults)
    present = {row: value for row, value in enumerate(block.values) if value is not None}
    return list(present), list(present.values())


def _tell(conversations: Conversations, part: Part, faults: Sequence[MediaFault]) -> None:
    if faults:
        where = f"{conversations.corpus} {conversations.split}"
        message = "%s: without %s: %s; the first is %s: %s"
        _log.warning(message, where, part, tally(faults), faults[0].name, faults[0].why)


def _save(block: Block[Kept], path: Path) -> None:
    """Write arrays of any lengths, joined."""
    present = {place: value for place, value in enumerate(block.values) if value is not None}
    lengths = [len(value) for value in present.values()]
    tensors = {"present": torch.tensor(list(present)), "lengths": torch.tensor(lengths)}
    if present:
        tensors["values"] = torch.from_numpy(np.concatenate(list(present.values())))
    faults = json.dumps([asdict(fault) for fault in block.faults])
    save_tensors(tensors, path, {"count": str(len(block.values)), "faults": faults})


def _load(path: Path) -> Block[Kept] | None:
    """Return a block, None if it is not there or damaged: then it is made again."""
    try:
        with safe_open(path, framework="numpy") as file:
            values: list[Kept | None] = [None] * int(file.metadata()["count"])
            present, lengths = (file.get_tensor(name).astype(np.int64) for name in ("present", "lengths"))
            pieces = np.split(file.get_tensor("values"), np.cumsum(lengths)[:-1]) if len(present) else []
            faults = [MediaFault(**fault) for fault in json.loads(file.metadata()["faults"])]
    except (OSError, SafetensorError):
        return None
    for place, piece in zip(present, pieces, strict=True):
        values[place] = piece
    return Block(values, faults)
