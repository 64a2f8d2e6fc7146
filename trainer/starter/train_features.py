"""What the three branches say of the training data, kept on disk: what the starter's fusion learns from."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tqdm import tqdm

from models.labels import LABELS
from models.media.face_image import face_input, resized
from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor
from trainer.data.faces import FaceSet
from trainer.fit.cache import cached, digest, network_digest
from trainer.fit.devices import channels_last, half_precision
from trainer.fit.outputs import Floats
from trainer.stages.face import augment
from trainer.starter.data import StarterData
from trainer.starter.dev_features import Branches, text_dialogs
from trainer.starter.feature_bank import FeatureBank
from trainer.starter.fusion import TextDialog
from trainer.starter.voice import head_outputs, statistics

_FACE_VIEWS: Final = 3
_FACES_PER_LABEL: Final = 800
_FACE_BATCH: Final = 128


class TrainFeatures:
    """The training features of one set of branches, each computed when first asked for.

    Args:
        data: the corpora.
        branches: with a voice on Whisper's encoder.
        voice_views: how often each clip is heard, once as it is and then changed.
        seed: of what is drawn.
        cache: a folder; its files are named by everything they were made from.
    """

    def __init__(self, data: StarterData, branches: Branches, voice_views: int, seed: int, cache: Path) -> None:
        self.data, self.branches, self.voice_views = data, branches, voice_views
        self.seed, self.cache = seed, cache

    @cached_property
    def dialogs(self) -> list[TextDialog]:
        """Return MELD's training dialogs."""
        dialogs, branches = self.data.meld_train, self.branches
        said = [utterance.turn.text for dialog in dialogs for utterance in dialog]
        key = digest(network_digest(branches.text), asdict(branches.context), said)
        read = self._cached(f"texts-{key[:16]}", lambda: branches.read(dialogs, "training texts").embeddings)
        return text_dialogs(dialogs, read)

    @cached_property
    def voices(self) -> FeatureBank:
        """Return the embeddings of every clip as it is and as it was changed for the training."""
        network, sounds = self.branches.audio, self.data.sounds_train
        assert isinstance(network, VoiceExtractor)  # noqa: S101 - the caller checked
        heard = statistics(network.encoder, sounds.samples, self.voice_views, self.seed, self.cache)
        views = [head_outputs(network.voice, heard[:, view]).embeddings for view in range(heard.shape[1])]
        return FeatureBank.of(np.stack(views, axis=1), sounds.labels, sounds.corpora)

    @cached_property
    def faces(self) -> FeatureBank:
        """Return the embeddings of some faces of each label, each face differently augmented several times."""
        faces, network = some_faces(self.data.faces_train, _FACES_PER_LABEL, self.seed), self.branches.face
        key = digest(network_digest(network), self.seed)
        views = self._cached(f"faces-{key[:16]}", lambda: _face_views(network, faces))
        return FeatureBank.of(views, faces.labels, ["fer2013"] * len(faces.labels))

    def _cached(self, name: str, make: Callable[[], Floats]) -> Floats:
        path = self.cache / f"{name}.safetensors"
        made = cached(path, lambda: {"embeddings": torch.from_numpy(make())})
        embeddings: Floats = made["embeddings"].numpy()
        return embeddings


def some_faces(faces: FaceSet, per_label: int, seed: int) -> FaceSet:
    """Return at most so many faces of each label."""
    order = np.random.default_rng(seed).permutation(len(faces.labels))
    rows = np.concatenate([order[faces.labels[order] == label][:per_label] for label in range(len(LABELS))])
    return FaceSet(faces.pixels[rows], faces.labels[rows])


@torch.inference_mode()
def _face_views(model: EmotionExtractor, faces: FaceSet) -> Floats:
    """Return ``(faces, 3, dim)``: each face three times, differently augmented."""
    generator = np.random.default_rng(0)
    rows = []
    channels_last(model)
    for start in tqdm(range(0, len(faces.labels), _FACE_BATCH), desc="faces for the fusion"):
        images = face_input(torch.from_numpy(faces.pixels[start : start + _FACE_BATCH]))
        with half_precision():
            views = [model(resized(augment(images, generator), model.size))[0] for _ in range(_FACE_VIEWS)]
        rows.append(torch.stack(views, dim=1).float().numpy())
    return np.concatenate(rows)
