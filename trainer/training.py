"""From labelled conversations to trained stages: every stage on what the ones before it learned.

Each stage goes on where it was interrupted, and what it needs of another is trained first. A modality without data is
absent from the features.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeVar

from torch import nn

from models.bundle import Bundle
from models.bundle_config import BundleError, modality_key
from models.media.spectrogram import sound_input
from models.networks.speech_encoder import load_whisper_encoder
from models.text_input import ContextFormat
from models.user_error import UserError
from trainer.branches import CalibratedBranch, calibrated_branches
from trainer.config import TrainConfig, save_train_config
from trainer.corpora import Corpora
from trainer.data.conversation import Conversations
from trainer.data.faces import FaceSet
from trainer.dev_outputs import DevOutputs
from trainer.dialogs.drawn import FusionData
from trainer.dialogs.features import MODALITIES, Modality
from trainer.features.extract import Extraction, extract_features
from trainer.features.extractors import Extractors
from trainer.fit.cache import arrays_digest, digest, network_digest
from trainer.fit.devices import device_of, main_first, processes
from trainer.fit.loop import Stage, fit, has_checkpoint
from trainer.fit.metrics import Metrics
from trainer.stages.audio import AudioStage
from trainer.stages.extractor import ExtractorStage
from trainer.stages.face import VisualStage
from trainer.stages.fusion import FusionStage
from trainer.stages.hearing import encoded
from trainer.stages.image import Labelled
from trainer.stages.packaged import packaged_whisper
from trainer.stages.scene import SceneStage
from trainer.stages.text import TextStage
from trainer.stages.whisper import WhisperStage
from trainer.starter.drawn_features import drawn_data

AnyStage = TypeVar("AnyStage", bound=Stage)

STAGES: Final[dict[Modality, str]] = {"text": "text", "audio": "audio", "face": "visual", "scene": "scene"}
"""The stage that trains each modality's branch."""
_DRAWN: Final[tuple[Modality, ...]] = ("audio", "face")
_log: Final = logging.getLogger(__name__)


class PipelineError(UserError):
    """A training can't go on; the message says what is missing."""


class ConversationTraining:
    """The stages over one corpus of conversations and one folder of runs.

    Args:
        config: what to train on and how.
        runs: checkpoints, logs, caches and the configuration; a run interrupted goes on from here.
        kept: the bundles whose branches are taken as they are instead of being trained, see :func:`kept_branches`.

    Attributes:
        data: what is read.
        metrics: the dev metrics of each stage that was trained so far.
    """

    def __init__(self, config: TrainConfig, runs: Path, kept: Mapping[Modality, Bundle] | None = None) -> None:
        self.config, self.runs, self.cache, self.kept = config, runs, runs / "cache", kept or {}
        self.data = Corpora(config, self.cache)
        self.metrics: dict[str, Metrics] = {}
        if processes().is_main_process:
            save_train_config(config, runs / "config.yaml")

    @cached_property
    def text(self) -> TextStage:
        """Return the trained text stage."""
        train, dev = self.data.train, self.data.dev
        stage = TextStage(train.dialogs, dev.dialogs, self.config.text, self.cache / "text", len(self.data.labels))
        self._fit(stage, [_words(train), _words(dev)])
        stage.encoder.eval()
        stage.encoder.to(device_of(stage.model))  # its frozen layers too
        return stage

    @cached_property
    def audio(self) -> AudioStage:
        """Return the trained audio stage.

        Raises:
            PipelineError: there is no sound to learn from.
        """
        train, dev, settings = self.data.sounds_train, self.data.sounds_dev, self.config.audio
        _check_some(train, dev, "audio", "the conversations have no sound, and speech.datasets is empty")
        stage = self._whisper() if settings.backbone == "whisper" else AudioStage(train, dev, settings)
        return self._fit(stage, [_sizes(sounds, [len(one) for one in sounds.samples]) for sounds in (train, dev)])

    def _whisper(self) -> WhisperStage:
        encoder, settings = load_whisper_encoder(packaged_whisper()), self.config.audio
        seed = settings.fit.seed
        train = encoded(encoder, self.data.sounds_train, settings.views, seed, self.cache)
        return WhisperStage(train, encoded(encoder, self.data.sounds_dev, 1, seed, self.cache), settings, encoder)

    @cached_property
    def visual(self) -> VisualStage:
        """Return the trained visual stage.

        Raises:
            DatasetError: there are no faces where they should be.
        """
        train, dev = self.data.faces_train, self.data.faces_dev
        _check_some(train, dev, "visual", f"{self.config.faces.folder()} has no faces")
        begun = has_checkpoint(self.runs / VisualStage.name)
        stage = VisualStage(train, dev, self.config.visual, begun=begun)
        return self._fit(stage, [_faces(faces) for faces in (train, dev)])

    @cached_property
    def scene(self) -> SceneStage:
        """Return the trained scene stage.

        Raises:
            PipelineError: the conversations have no images.
        """
        train, dev = self.data.scenes_train, self.data.scenes_dev
        _check_some(train, dev, "scene", "the conversations have no images")
        stage = SceneStage(train, dev, self.config.scene)
        return self._fit(stage, [_sizes(scenes, list(scenes.pixels.shape)) for scenes in (train, dev)])

    def _fit(self, stage: AnyStage, data: object) -> AnyStage:
        settings, section = getattr(self.config, stage.name), self.config.section(stage.name)
        del section["fit"]  # which the loop looks at itself
        made_with = {stage.name: section, "data": digest(data)}
        self.metrics[stage.name] = fit(stage, settings.fit, self.runs / stage.name, made_with)
        stage.model.eval()
        return stage

    @cached_property
    def extractors(self) -> Extractors:
        """Return the branches of the modalities there are, trained or kept.

        Raises:
            BundleError: a kept branch names other emotions.
        """
        for bundle in self.kept.values():
            if bundle.config.labels != self.data.labels:
                message = f"the bundle {bundle.config.name} names {', '.join(bundle.config.labels)}: keep none of it"
                raise BundleError(message)
        kept = self.kept.get("text")
        words = Extractors.of(kept) if kept else Extractors(self.text.encoder, self.text.tokenizer, self.context)
        there = self.data.modalities
        others: dict[str, Any] = {name: self._branch(name) if name in there else None for name in MODALITIES[1:]}
        return replace(words, audio_input=partial(sound_input, self.config.audio.backbone), **others)

    @property
    def context(self) -> ContextFormat:
        """Return how much of the dialog the text branch reads."""
        kept = self.kept.get("text")
        return kept.config.text.context if kept else self.config.text.context

    def _branch(self, name: Modality) -> nn.Module:
        if name in self.kept:
            found: nn.Module = getattr(self.kept[name], name)
            return found
        stage: ExtractorStage[Any] = getattr(self, STAGES[name])
        return stage.branch.eval()

    @cached_property
    def train_features(self) -> Extraction:
        """Return the features of what is learned from."""
        return self._features(self.data.train)

    @cached_property
    def dev_features(self) -> Extraction:
        """Return the features of dev."""
        return self._features(self.data.dev)

    def _features(self, conversations: Conversations) -> Extraction:
        modalities: Collection[Modality] = ["text"] if self.data.drawn else self.data.modalities
        extractors = self.extractors
        with main_first():
            found = extract_features(conversations, extractors, self.cache, self.config.features, modalities)
        _log.info("%s %s: %s", conversations.corpus, conversations.split, found.summary())
        return found

    @cached_property
    def dev_outputs(self) -> DevOutputs:
        """Return what the branches say of the data that they were chosen on."""
        return DevOutputs(self.data, self.extractors)

    @cached_property
    def branches(self) -> dict[Modality, CalibratedBranch]:
        """Return the branches with heads for the conversations' emotions, and their temperatures.

        Raises:
            BranchError: there is nothing to fit a head on.
        """
        return calibrated_branches(self.dev_outputs, self.train_features, self.dev_features)

    @cached_property
    def fusion_data(self) -> FusionData:
        """Return what the fusion is trained and calibrated on."""
        train, dev = self.train_features, self.dev_features
        if self.data.drawn:
            return drawn_data(self.dev_outputs, train, dev, self.branches)
        there = self.data.modalities
        sets = [chosen for size in range(1, 1 + len(there)) for chosen in combinations(there, size)]
        tempered = {modality_key(chosen): [dialog.only(chosen) for dialog in dev.dialogs] for chosen in sets}
        return FusionData(train.dialogs, dev.dialogs, tempered)

    @cached_property
    def fusion(self) -> FusionStage:
        """Return the trained fusion stage."""
        found, data, settings = self.fusion_data, self.data, self.config.fusion
        stage = FusionStage(
            found.train,
            found.dev,
            len(data.labels),
            settings,
            widths=found.widths,
            change=found.change,
            judge=found.judge,
            heads={name: branch.head for name, branch in self.branches.items()} if settings.evidence else None,
        )
        networks = [getattr(self.extractors, name) for name in MODALITIES]
        weights = [None if network is None else network_digest(network) for network in networks]
        given = [_words(data.train), _words(data.dev), self.config.section("features"), weights]
        return self._fit(stage, [*given, self._drawn_from()] if data.drawn else given)

    def _drawn_from(self) -> list[object]:
        """Return what tells whether the same voices and faces are drawn alike."""
        labels = [examples.labels for name in _DRAWN for examples in self.data.examples(name)]
        return [self.config.section("pairing"), arrays_digest(labels)]


def kept_branches(bundle: Bundle, names: Collection[Modality], config: TrainConfig) -> dict[Modality, Bundle]:
    """Return branches of a bundle that are to be kept while the others and the fusion are trained.

    Raises:
        BundleError: the bundle lacks a branch, or is not of the kind that the configuration trains.
    """
    there = set(bundle.config.modalities)
    if not set(names) <= there or ("audio" in there and bundle.config.audio.kind != config.audio.backbone):
        message = (
            f"the bundle {bundle.config.name} is not of the {config.output.name}'s kind (it has no "
            f"{', '.join(names)}, or its voice branch is not {config.audio.backbone}): name another to keep branches of"
        )
        raise BundleError(message)
    return dict.fromkeys(names, bundle)


def _words(conversations: Conversations) -> str:
    """Return what tells whether the words and labels are the same."""
    dialogs = [
        [[one.name, one.turn.speaker, one.turn.text, one.label] for one in dialog] for dialog in conversations.dialogs
    ]
    return digest(conversations.labels, dialogs)


def _sizes(examples: Labelled, sizes: Sequence[int]) -> str:
    """Return what tells whether decoded examples are about the same."""
    return digest(arrays_digest([examples.labels]), list(sizes))


def _faces(faces: FaceSet) -> str:
    """Return what tells whether faces, their labels and the votes on them are about the same."""
    return digest(_sizes(faces, list(faces.pixels.shape)), arrays_digest([faces.shares()]), faces.corpora)


def _check_some(train: Labelled, dev: Labelled, stage: str, why: str) -> None:
    if not len(train.labels) or not len(dev.labels):
        message = f"nothing to train {stage} on: {why}"
        raise PipelineError(message)
