"""From labelled conversations to a bundle: every stage on what the ones before it learned.

Each stage goes on where it was interrupted, and what it needs of another is trained first. A modality without data is
absent from the features and from the bundle.
"""

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from models.bundle import (
    AudioPart,
    Bundle,
    BundleConfig,
    ExtractorPart,
    FacePart,
    Temperatures,
    TextPart,
    modality_key,
    require_place,
    save_bundle,
)
from models.media.face_image import INPUT_SIZE
from models.networks.calibration import fit_temperature
from models.networks.extractor import EmotionExtractor
from models.networks.fusion import M2FNet
from models.user_error import UserError
from trainer.config import TrainConfig, save_train_config
from trainer.data.conversation import Conversations, DatasetError
from trainer.data.faces import FaceSet
from trainer.data.registry import load_clips, load_conversations, load_faces
from trainer.dialogs.features import MODALITIES, DialogFeatures, Modality
from trainer.dialogs.logits import full_logits, moment_logits
from trainer.features.conversation_media import conversation_scenes, conversation_sounds
from trainer.features.extract import Extraction, extract_features
from trainer.features.extractors import Extractors
from trainer.features.media import Part, media_file
from trainer.fit.cache import digest, network_digest
from trainer.fit.devices import device_of, main_first, processes
from trainer.fit.loop import Metrics, Stage, fit
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.audio import AudioStage, Sounds
from trainer.stages.extractor import ExtractorStage
from trainer.stages.face import VisualStage
from trainer.stages.fusion import FusionStage, truth
from trainer.stages.heads import fit_head, head_logits, with_head
from trainer.stages.scene import SceneStage
from trainer.stages.text import TextStage
from trainer.training_card import training_card

_PARTS: Final[dict[Modality, Part]] = {"audio": "sound", "face": "images", "scene": "images"}
_log: Final = logging.getLogger(__name__)


class PipelineError(UserError):
    """A training can't go on; the message says what is missing."""


class ConversationTraining:
    """The stages over one corpus of conversations and one folder of runs.

    Args:
        config: what to train on and how.
        runs: checkpoints, logs, caches and the configuration; a run interrupted goes on from here.

    Attributes:
        metrics: the dev metrics of each stage that was trained so far.
        absent: the modalities that the features lack though they were asked for, and why.
    """

    def __init__(self, config: TrainConfig, runs: Path) -> None:
        self.config, self.runs, self.cache = config, runs, runs / "cache"
        self.metrics: dict[str, Metrics] = {}
        self.absent: dict[Modality, str] = {}
        if processes().is_main_process:
            save_train_config(config, runs / "config.yaml")

    @cached_property
    def train(self) -> Conversations:
        """Return what is learned from."""
        return self._conversations(self.config.dataset.train)

    @cached_property
    def dev(self) -> Conversations:
        """Return what everything is chosen on.

        Raises:
            DatasetError: its labels are not those of the training data.
        """
        found = self._conversations(self.config.dataset.dev)
        if found.labels != self.train.labels:
            message = f"dev has the labels {', '.join(found.labels)}, train has {', '.join(self.train.labels)}"
            raise DatasetError(message)
        return found

    def _conversations(self, split: str) -> Conversations:
        section = self.config.dataset
        media = set(self.config.output.modalities) != {"text"}
        found = load_conversations(section.kind, section.folder(), split, media=media)
        for what, entries in (("left out", found.skipped), ("kept, but odd or without media", found.noted)):
            if entries:
                message = "%s %s: %d utterances %s; `m2fnet train data` lists them"
                _log.info(message, section.kind, split, len(entries), what)
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the emotions."""
        return self.train.labels

    @cached_property
    def text(self) -> TextStage:
        """Return the trained text stage."""
        train, dev = self.train, self.dev
        stage = TextStage(train.dialogs, dev.dialogs, self.config.text, self.cache / "text", len(self.labels))
        self._fit(stage, [_words(train), _words(dev)])
        stage.encoder.to(device_of(stage.model))  # its frozen layers too
        return stage

    @cached_property
    def audio(self) -> AudioStage:
        """Return the trained audio stage.

        Raises:
            PipelineError: there is no sound to learn from.
        """
        train, dev = self._sounds("train"), self._sounds("dev")
        _check_some(train.labels, dev.labels, "audio", "the conversations have no sound, and speech.datasets is empty")
        stage = AudioStage(train, dev, self.config.audio)
        self._fit(stage, [_sizes(sounds.labels, [len(one) for one in sounds.samples]) for sounds in (train, dev)])
        return stage

    def _sounds(self, split: str) -> Sounds:
        section = self.config.speech
        if not section.datasets:
            conversations = self.train if split == "train" else self.dev
            with main_first():
                return conversation_sounds(conversations, self.cache, self.config.features)
        corpora = [load_clips(name, section.folder(), split) for name in section.datasets]
        classes = {corpus.classes for corpus in corpora}
        if len(classes) > 1:
            message = f"speech.datasets={','.join(section.datasets)}: they have different labels, and can't be joined"
            raise DatasetError(message)
        with main_first():
            clips = [clip for corpus in corpora for clip in corpus]
            return Sounds.decode(clips, self.cache, classes.pop())

    @cached_property
    def visual(self) -> VisualStage:
        """Return the trained visual stage.

        Raises:
            DatasetError: there are no faces where they should be.
        """
        train, dev = self.faces
        _check_some(train.labels, dev.labels, "visual", f"{self.config.faces.folder()} has no faces")
        stage = VisualStage(train, dev, self.config.visual)
        self._fit(stage, [_sizes(faces.labels, list(faces.pixels.shape)) for faces in (train, dev)])
        return stage

    @cached_property
    def faces(self) -> tuple[FaceSet, FaceSet]:
        """Return the faces that are learned from and those the visual extractor is chosen on."""
        section = self.config.faces
        train, dev = (load_faces(section.dataset, section.folder(), split) for split in (section.train, section.dev))
        return train, dev

    @cached_property
    def scene(self) -> SceneStage:
        """Return the trained scene stage.

        Raises:
            PipelineError: the conversations have no images.
        """
        section, features = self.config.scene, self.config.features
        with main_first():
            train, dev = (
                conversation_scenes(split, section.frames, self.cache, features) for split in (self.train, self.dev)
            )
        _check_some(train.labels, dev.labels, "scene", "the conversations have no images")
        stage = SceneStage(train, dev, section)
        self._fit(stage, [_sizes(scenes.labels, list(scenes.pixels.shape)) for scenes in (train, dev)])
        return stage

    def _fit(self, stage: Stage, data: object) -> None:
        settings, section = getattr(self.config, stage.name), self.config.section(stage.name)
        del section["fit"]  # which the loop looks at itself
        made_with = {stage.name: section, "data": digest(data)}
        self.metrics[stage.name] = fit(stage, settings.fit, self.runs / stage.name, made_with)
        stage.model.eval()

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """Return what the features have, in one order; why others are absent is in :attr:`absent`."""
        for name in MODALITIES:
            if name in self.config.output.modalities and (why := self._why_absent(name)):
                self.absent[name] = why
                _log.warning("%s is absent: %s", name, why)
        return tuple(name for name in MODALITIES if name in self.config.output.modalities and name not in self.absent)

    def _why_absent(self, name: Modality) -> str | None:
        if name == "text":
            return None
        for conversations in (self.train, self.dev):
            clips = (utterance.clip for utterance in conversations.utterances)
            if not any(clip is not None and media_file(clip, _PARTS[name]) for clip in clips):
                return f"no utterance of {conversations.split} has {_PARTS[name]}"
        if name == "face" and self.config.faces.root is None:
            try:
                self.faces  # noqa: B018 - whether there are any
            except DatasetError as error:
                return str(error)
        return None

    @cached_property
    def extractors(self) -> Extractors:
        """Return the trained branches of the modalities there are."""
        text, there = self.text, self.modalities
        return Extractors(
            text.encoder,
            text.tokenizer,
            self.config.text.context,
            audio=self.audio.network if "audio" in there else None,
            face=self.visual.network if "face" in there else None,
            scene=self.scene.network if "scene" in there else None,
        )

    @cached_property
    def train_features(self) -> Extraction:
        """Return the features of what is learned from."""
        return self._features(self.train)

    @cached_property
    def dev_features(self) -> Extraction:
        """Return the features of dev."""
        return self._features(self.dev)

    def _features(self, conversations: Conversations) -> Extraction:
        extractors = self.extractors
        with main_first():
            found = extract_features(
                conversations, extractors, self.cache, self.config.features, modalities=self.modalities
            )
        _log.info("%s %s: %s", conversations.corpus, conversations.split, found.summary())
        return found

    @cached_property
    def fusion(self) -> FusionStage:
        """Return the trained fusion stage."""
        train, dev = self.train_features.dialogs, self.dev_features.dialogs
        stage = FusionStage(train, dev, len(self.labels), self.config.fusion)
        networks = [self.text.encoder, self.extractors.audio, self.extractors.face, self.extractors.scene]
        weights = [None if network is None else network_digest(network) for network in networks]
        data = [_words(self.train), _words(self.dev), self.config.section("features"), weights]
        self._fit(stage, data)
        return stage

    @cached_property
    def branches(self) -> dict[Modality, tuple[EmotionExtractor, float]]:
        """Return the extractors with heads for the conversations' emotions, and the temperature of each."""
        stages: dict[Modality, ExtractorStage[Any]] = {}
        for name, attribute in (("audio", "audio"), ("face", "visual"), ("scene", "scene")):
            if name in self.modalities:
                stages[name] = getattr(self, attribute)
        return {name: self._branch(name, stage) for name, stage in stages.items()}

    def _branch(self, name: Modality, stage: ExtractorStage[Any]) -> tuple[EmotionExtractor, float]:
        """Return an extractor as it is if it has learned these emotions, else with a head that is fitted to them."""
        if stage.shared_labels and stage.train.classes == self.labels:  # type: ignore[attr-defined] # each has it
            return stage.network, fit_temperature(stage.dev_output(stage.model).logits, stage.dev_labels)
        train, dev = (features.branches.get(name) for features in (self.train_features, self.dev_features))
        if train is None or dev is None:
            message = f"{name}: no usable media in {'train' if train is None else 'dev'} to fit a head for its labels"
            raise PipelineError(message)
        head = fit_head(train.output.embeddings, self.train_features.labels[train.rows], len(self.labels))
        logits = head_logits(head, dev.output.embeddings)
        return with_head(stage.network.cpu(), head), fit_temperature(logits, self.dev_features.labels[dev.rows])

    def temperatures(self) -> Temperatures:
        """Fit the temperature of each branch and, for each set of modalities, of the fusion on dev."""
        text = self.dev_features.branches["text"]
        subsets = [set_ for size in range(1, 1 + len(self.modalities)) for set_ in combinations(self.modalities, size)]
        fused = {modality_key(subset): self._fused_temperature(subset) for subset in subsets}
        return Temperatures(
            text=fit_temperature(text.output.logits, self.dev_features.labels[text.rows]),
            **{name: temperature for name, (_, temperature) in self.branches.items()},
            fused=fused[modality_key(self.modalities)],
            fused_by=fused,
        )

    def _fused_temperature(self, modalities: Sequence[Modality]) -> float:
        dialogs = [dialog.only(modalities) for dialog in self.dev_features.dialogs]
        return fit_temperature(self._logits(dialogs), truth(dialogs))

    def _logits(self, dialogs: Sequence[DialogFeatures]) -> Floats:
        view = full_logits if self.config.fusion.regime == "full" else moment_logits
        return view(self.fusion.model, dialogs, self.fusion.config)

    def bundle(self) -> Bundle:
        """Return the trained stages as a bundle, on the CPU."""
        fusion, temperatures = self.fusion, self.temperatures()
        assert isinstance(fusion.network, M2FNet)  # noqa: S101 - the stage's own kind, where no other is asked for
        networks: dict[Modality, EmotionExtractor] = {name: network for name, (network, _) in self.branches.items()}
        config = BundleConfig(
            name=self.config.output.name,
            labels=self.labels,
            networks=("text", *networks, "fusion"),
            text=TextPart(dim=fusion.config.text_dim, context=self.config.text.context),
            audio=AudioPart(dim=fusion.config.audio_dim),
            face=FacePart(dim=fusion.config.face_dim, size=networks["face"].size if "face" in networks else INPUT_SIZE),
            scene=ExtractorPart(dim=fusion.config.scene_dim),
            fusion=fusion.config,
            temperatures=temperatures,
        )
        return Bundle(
            config,
            text=self.text.encoder.cpu(),
            tokenizer=self.text.tokenizer,
            audio=_on_cpu(networks.get("audio")),
            face=_on_cpu(networks.get("face")),
            scene=_on_cpu(networks.get("scene")),
            fusion=fusion.network.cpu(),
        )


def _on_cpu(network: EmotionExtractor | None) -> EmotionExtractor | None:
    return None if network is None else network.cpu()


def _words(conversations: Conversations) -> str:
    """Return what tells whether the words and labels are the same."""
    dialogs = [
        [[one.name, one.turn.speaker, one.turn.text, one.label] for one in dialog] for dialog in conversations.dialogs
    ]
    return digest(conversations.labels, dialogs)


def _sizes(labels: Ints, sizes: Sequence[int]) -> str:
    """Return what tells whether decoded examples are about the same."""
    return digest(hashlib.sha256(labels.tobytes()).hexdigest(), list(sizes))


def _check_some(train: Ints, dev: Ints, stage: str, why: str) -> None:
    if not len(train) or not len(dev):
        message = f"nothing to train {stage} on: {why}"
        raise PipelineError(message)


def train_bundle(config: TrainConfig, runs: Path, out: Path) -> ConversationTraining:
    """Train everything there are data for, write the bundle, and return the training.

    Args:
        config: what to train on and how.
        runs: checkpoints, logs and caches.
        out: the bundle's folder; one that is there is replaced.

    Raises:
        DatasetError: the conversations are missing, or not as they should be.
        CheckpointError: ``runs`` holds those of another training.
        BundleError: the bundle can't be written.
        FileError: the same.
    """
    require_place(out, runs)
    training = ConversationTraining(config, runs)
    bundle = training.bundle()
    if processes().is_main_process:
        card = training_card(config, bundle, training.metrics, training.absent)
        save_bundle(out, bundle, card, max_file_bytes=config.output.max_file_bytes)
    processes().wait_for_everyone()
    return training
