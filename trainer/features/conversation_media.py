"""What the extractors learn from in conversations: the sound of every utterance, and some of its images."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from models.media.scene_image import SCENE_SIZE, shrink_scene
from models.media.spectrogram import SAMPLE_RATE
from trainer.data.conversation import Conversations
from trainer.features.blocks import Reader, read_media
from trainer.features.extract import FeatureSettings, split_folder
from trainer.features.media import Limits, Media, MediaFault, Part, tally
from trainer.fit.cache import Arrays
from trainer.stages.audio import Sounds, cut_to_int16, trim
from trainer.stages.scene import Scenes
from wire.pcm import from_int16

_SHORTEST: Final = SAMPLE_RATE // 10  # less sound than this says nothing
_KEPT: Final = "kept"
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

    def read(media: Media) -> Arrays | None:
        sound = np.empty(0, np.float32) if media.sound is None else trim(media.sound)
        if len(sound) < _SHORTEST:
            return None
        return {_KEPT: cut_to_int16(sound)}

    reader = Reader("sounds", "sound", [], read)
    rows, values = _present(conversations, reader, cache, settings.limits, settings.workers)
    samples = [from_int16(value[_KEPT]) for value in values]
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

    def read(media: Media) -> Arrays | None:
        return {_KEPT: np.stack([shrink_scene(frame) for frame in media.frames])} if media.frames else None

    reader = Reader("scenes", "images", SCENE_SIZE, read)
    rows, values = _present(conversations, reader, cache, Limits(frames, settings.max_seconds), settings.workers)
    pixels = np.concatenate([np.empty((0, SCENE_SIZE, SCENE_SIZE, 3), np.uint8), *(value[_KEPT] for value in values)])
    labels = [
        conversations.utterances[row].label for row, value in zip(rows, values, strict=True) for _ in value[_KEPT]
    ]
    return Scenes(pixels, np.array(labels, np.int64), conversations.labels)


def _present(
    conversations: Conversations, reader: Reader, cache: Path, limits: Limits, workers: int
) -> tuple[list[int], list[Arrays]]:
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
