"""Features of a whole split: every utterance through the branches, as the live pipeline has them, kept on disk."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from models.bundle import Bundle
from models.dialog_window import Features
from models.face_settings import FaceSettings
from models.networks.extractor import EmotionExtractor
from models.networks.faces import FRAMES_PER_UTTERANCE, FaceDetector
from models.networks.mtcnn_networks import detection_networks, in_torch
from models.runtime.preparation import MAX_SAMPLES
from models.text_input import tokenize
from trainer.data.conversation import Conversations
from trainer.dialogs.features import MODALITIES, DialogFeatures, Modality
from trainer.features.blocks import Reader, read_media
from trainer.features.cache import CODE_VERSION, FeatureBlock, load_block, row, save_block
from trainer.features.extractors import AudioInput, Extractors
from trainer.features.media import Limits, Media, MediaFault, tally
from trainer.features.visual import face_row, run_network, scene_row
from trainer.fit.cache import Arrays, digest, network_digest
from trainer.fit.devices import device_of
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput
from trainer.stages.text import TextExample, examples, text_outputs

_TEXT_BLOCK: Final = 512


@dataclass(frozen=True)
class FeatureSettings:
    """What of the media the features are made from.

    Attributes:
        frames: images of an utterance, evenly spaced (the paper has 15).
        max_seconds: the media of a longer utterance are left out, and named.
        faces: which faces are found.
        workers: threads that decode; 0 for as many as there are cores. It changes nothing but the time.
    """

    frames: int = FRAMES_PER_UTTERANCE
    max_seconds: float = 60.0
    faces: FaceSettings = FaceSettings()
    workers: int = 0

    @property
    def limits(self) -> Limits:
        """Return how much of a clip is read."""
        return Limits(self.frames, self.max_seconds)


@dataclass(frozen=True, eq=False)
class BranchRows:
    """What a branch says of the utterances that have its modality.

    Attributes:
        rows: ``(present,)``, their places among all utterances of the split, ascending.
        output: embeddings ``(present, dim)`` and logits ``(present, classes)``.
    """

    rows: Ints
    output: BranchOutput


@dataclass(frozen=True, eq=False)
class Extraction:
    """The features of one split.

    Attributes:
        dialogs: as the fusion takes them, in the order of the conversations.
        branches: what each branch says alone; those of which no utterance has anything are left out.
        labels: ``(utterances,)``.
        faults: media that could not be used, and why; their utterances keep the rest.
    """

    dialogs: list[DialogFeatures]
    branches: Mapping[Modality, BranchRows]
    labels: Ints
    faults: Sequence[MediaFault]

    def summary(self) -> str:
        """Return a line that says how many utterances have what, and what was wrong with how many."""
        count = len(self.labels)
        having = [f"{name} {len(branch.rows)}" for name, branch in self.branches.items()]
        faults = f"; media left out: {tally(self.faults)}" if self.faults else ""
        return f"{count} utterances: {', '.join(having) or 'no features'}{faults}"


def extract_features(
    conversations: Conversations,
    networks: Bundle | Extractors,
    cache: Path,
    settings: FeatureSettings = FeatureSettings(),
    modalities: Collection[Modality] = MODALITIES,
) -> Extraction:
    """Return the features of a split; whatever was made before from the same files, weights and settings is read.

    Args:
        conversations: with the clips of their utterances; without them there is only text.
        networks: a modality whose network there is not is absent.
        cache: a folder; what an interrupted run had finished in it is not made again.
        settings: what of the media is used.
        modalities: the others are absent.

    Raises:
        FileError: the disk is full or the cache can't be written.
    """
    extractors = networks if isinstance(networks, Extractors) else Extractors.of(networks)
    folder = split_folder(cache, conversations)
    blocks: dict[Modality, FeatureBlock] = {}
    if "text" in modalities and extractors.text is not None:
        blocks["text"] = _read_text(conversations, extractors, folder)
    readers = _readers(extractors, settings, modalities)
    read = read_media(conversations.utterances, list(readers.values()), folder, settings.limits, settings.workers)
    return _assembled(conversations, blocks | dict(zip(readers, read, strict=True)))


def split_folder(cache: Path, conversations: Conversations) -> Path:
    """Return the folder of a split; the name is for people, what is in it is named by what it was made from."""
    return cache / re.sub(r"[^\w.-]+", "_", f"{conversations.corpus}-{conversations.split}")


def _readers(
    extractors: Extractors, settings: FeatureSettings, modalities: Collection[Modality]
) -> dict[Modality, Reader]:
    found: dict[Modality, Reader] = {}
    if extractors.audio is not None and "audio" in modalities:
        found["audio"] = _audio_reader(extractors.audio, extractors.audio_input)
    if extractors.face is not None and "face" in modalities:
        found["face"] = _face_reader(extractors.face, settings.faces)
    if extractors.scene is not None and "scene" in modalities:
        found["scene"] = _scene_reader(extractors.scene)
    return found


def _audio_reader(network: nn.Module, audio_input: AudioInput) -> Reader:
    def read(media: Media) -> Arrays | None:
        if media.sound is None:
            return None
        heard = run_network(
            network, torch.from_numpy(audio_input([media.sound[-MAX_SAMPLES:]]))
        )  # of a long one the end, as live
        return row(heard.embeddings[0], heard.logits[0])

    return Reader("audio", "sound", [network_digest(network), MAX_SAMPLES], read)


def _face_reader(network: EmotionExtractor, faces: FaceSettings) -> Reader:
    searching = detection_networks()
    depends_on = [network_digest(network), *map(network_digest, searching.values()), asdict(faces)]
    detector = FaceDetector(faces, in_torch(searching, device_of(network)))
    return Reader("face", "images", depends_on, lambda media: face_row(media.frames, detector, network))


def _scene_reader(network: nn.Module) -> Reader:
    return Reader("scene", "images", network_digest(network), lambda media: scene_row(media.frames, network))


def _read_text(conversations: Conversations, extractors: Extractors, folder: Path) -> FeatureBlock:
    """Return the text features; an utterance without words has none, as live."""
    network, tokenizer = extractors.text, extractors.tokenizer
    assert network is not None  # noqa: S101 - the caller asked
    assert tokenizer is not None  # noqa: S101 - every text encoder comes with its own
    rows = examples(conversations.dialogs, extractors.context, tokenizer.separator)
    said = [place for place, utterance in enumerate(conversations.utterances) if utterance.turn.text]
    values: list[Arrays | None] = [None] * len(rows)
    weights = network_digest(network)
    for start in range(0, len(said), _TEXT_BLOCK):
        places = said[start : start + _TEXT_BLOCK]
        found = _text_block([rows[place] for place in places], extractors, weights, folder)
        for place, value in zip(places, found, strict=True):
            values[place] = value
    return FeatureBlock(values)


def _text_block(
    rows: Sequence[TextExample], extractors: Extractors, weights: str, folder: Path
) -> Sequence[Arrays | None]:
    network, tokenizer = extractors.text, extractors.tokenizer
    assert network is not None  # noqa: S101 - as above
    assert tokenizer is not None  # noqa: S101 - as above
    tokens = tokenize(tokenizer, [row.pair for row in rows], extractors.max_tokens)
    key = digest(CODE_VERSION, weights, [part.tolist() for part in (tokens.input_ids, tokens.utterance_mask)])
    path = folder / "text" / f"{key}.safetensors"
    known = load_block(path)
    if known is not None:
        return known.values
    read = text_outputs(network, tokenizer, rows, extractors.max_tokens, progress="text")
    block = FeatureBlock([row(*pair) for pair in zip(read.embeddings, read.logits, strict=True)])
    save_block(block, path)
    return block.values


def _assembled(conversations: Conversations, blocks: Mapping[Modality, FeatureBlock]) -> Extraction:
    labels = np.array([utterance.label for utterance in conversations.utterances], np.int64)
    return Extraction(
        _dialogs(conversations, blocks),
        {name: branch for name, block in blocks.items() if (branch := _branch(block.values)) is not None},
        labels,
        tuple(dict.fromkeys(fault for block in blocks.values() for fault in block.faults)),
    )


def _branch(values: Sequence[Arrays | None]) -> BranchRows | None:
    present = {place: value for place, value in enumerate(values) if value is not None}
    if not present:
        return None
    output = BranchOutput(*(np.stack([value[name] for value in present.values()]) for name in ("embedding", "logits")))
    return BranchRows(np.array(list(present), np.int64), output)


def _dialogs(conversations: Conversations, blocks: Mapping[Modality, FeatureBlock]) -> list[DialogFeatures]:
    nothing: list[Arrays | None] = [None] * len(conversations.utterances)
    values = {name: iter(blocks[name].values if name in blocks else nothing) for name in MODALITIES}

    def take(name: Modality, count: int) -> Features:
        return [None if value is None else value["embedding"] for value in islice(values[name], count)]

    return [
        DialogFeatures(
            **{name: take(name, len(dialog)) for name in MODALITIES},
            labels=[utterance.label for utterance in dialog],
            speakers=[utterance.turn.speaker for utterance in dialog],
        )
        for dialog in conversations.dialogs
    ]
