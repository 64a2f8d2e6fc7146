"""The starter bundle: four stages on freely available data, each resumable, and the folder they end in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
from transformers import PreTrainedTokenizerBase

from models.bundle import (
    AudioPart,
    Bundle,
    BundleConfig,
    BundleError,
    FacePart,
    Temperatures,
    TextPart,
    load_bundle,
    modality_key,
    require_place,
    save_bundle,
    write_card,
)
from models.labels import LABELS
from models.networks.calibration import fit_temperature
from models.networks.extractor import EmotionExtractor
from models.networks.speech_encoder import VoiceExtractor, load_whisper_encoder
from models.networks.text import ContextFormat, TextEncoder
from trainer.dialogs.features import DialogFeatures, Modality
from trainer.dialogs.logits import full_logits
from trainer.features.transcripts import Transcribe
from trainer.fit.loop import FitSettings, Metrics, Stage, fit
from trainer.fit.metrics import Ints, weighted_f1
from trainer.stages.face import VisualSettings, VisualStage
from trainer.stages.fusion import truth
from trainer.stages.probes import ProbeSettings
from trainer.stages.text import TextSettings, TextStage
from trainer.starter.data import StarterData
from trainer.starter.dev_features import Branches, DevFeatures
from trainer.starter.fusion import FusionData, FusionSettings, FusionStage, text_only
from trainer.starter.model_card import model_card
from trainer.starter.packaged import packaged_mpnet, packaged_whisper
from trainer.starter.report import StarterReport, evaluate_bundle
from trainer.starter.train_features import TrainFeatures
from trainer.starter.voice import VoiceSettings, VoiceStage, whisper_input

AnyStage = TypeVar("AnyStage", bound=Stage)
StageName = Literal["text", "visual", "audio", "fusion"]
BranchName = Literal["text", "visual", "audio"]

_SETS: Final[tuple[tuple[Modality, ...], ...]] = (
    ("audio",), ("face",), ("text", "audio"), ("text", "face"), ("audio", "face"), ("text", "audio", "face"),
)  # fmt: skip


@dataclass(frozen=True)
class StarterSettings:
    """Hyper-parameters of all stages; without ``text.encoder`` MPNet is taken from its packages."""

    text: TextSettings = TextSettings(
        fit=FitSettings(epochs=3, select="weighted_f1", ema_decay=0.99), frozen_layers=6, layer_decay=0.95
    )
    visual: VisualSettings = VisualSettings(
        fit=FitSettings(epochs=44, select="accuracy", ema_decay=0.998),
        batch=128,
        rate=1.5e-3,
        small_epochs=0,
        size=64,
        probe=ProbeSettings(enabled=False),
    )
    audio: VoiceSettings = VoiceSettings()
    fusion: FusionSettings = FusionSettings(fit=FitSettings(epochs=8, select="score", ema_decay=0.99))

    def with_seed(self, seed: int) -> "StarterSettings":
        """Return the settings with every stage's seed changed."""
        return StarterSettings(
            replace(self.text, fit=replace(self.text.fit, seed=seed)),
            replace(self.visual, fit=replace(self.visual.fit, seed=seed)),
            replace(self.audio, fit=replace(self.audio.fit, seed=seed)),
            replace(self.fusion, fit=replace(self.fusion.fit, seed=seed)),
        )


class StarterTraining:
    """The stages over one data folder and one folder of runs; what a stage needs of another is trained first.

    Args:
        data: the corpora.
        runs: checkpoints, logs and caches; a run interrupted goes on from here.
        settings: of the stages.
        kept: branches that are taken as they are instead of being trained, as :func:`kept_branches` returns them.
    """

    def __init__(
        self,
        data: StarterData,
        runs: Path,
        settings: StarterSettings,
        kept: Mapping[BranchName, Branches] | None = None,
    ) -> None:
        self.data, self.runs, self.settings, self.kept = data, runs, settings, kept or {}
        self.metrics: dict[str, Metrics] = {}

    @cached_property
    def text(self) -> TextStage:
        """Return the trained text stage."""
        cache = self.runs / "cache"
        settings = replace(self.settings.text, encoder=self.settings.text.encoder or str(packaged_mpnet(cache)))
        return self._trained(TextStage(self.data.meld_train, self.data.meld_dev, settings, cache))

    @cached_property
    def visual(self) -> VisualStage:
        """Return the trained visual stage."""
        return self._trained(VisualStage(self.data.faces_train, self.data.faces_dev, self.settings.visual))

    @cached_property
    def audio(self) -> VoiceStage:
        """Return the trained audio stage."""
        encoder = load_whisper_encoder(packaged_whisper())
        train, dev = self.data.sounds_train, self.data.sounds_dev
        return self._trained(VoiceStage(train, dev, encoder, self.settings.audio, self.runs / "cache"))

    @cached_property
    def fusion(self) -> FusionStage:
        """Return the trained fusion stage."""
        return self._trained(FusionStage(self._fusion_data(), self.settings.fusion))

    def _trained(self, stage: AnyStage) -> AnyStage:
        settings = getattr(self.settings, stage.name).fit
        self.metrics[stage.name] = fit(stage, settings, self.runs / stage.name)
        stage.model.eval()
        return stage

    @cached_property
    def branches(self) -> Branches:
        """Return the three branches, kept or trained."""
        return Branches(*self._text_branch(), self._audio_branch(), whisper_input, self._face_branch())

    def _text_branch(self) -> tuple[TextEncoder, PreTrainedTokenizerBase, ContextFormat]:
        if kept := self.kept.get("text"):
            return kept.text, kept.tokenizer, kept.context
        return self.text.encoder.eval(), self.text.tokenizer, self.settings.text.context

    def _audio_branch(self) -> EmotionExtractor | VoiceExtractor:
        kept = self.kept.get("audio")
        return kept.audio if kept else self.audio.network.eval()

    def _face_branch(self) -> EmotionExtractor:
        kept = self.kept.get("visual")
        return kept.face if kept else self.visual.network.eval()

    @cached_property
    def dev(self) -> DevFeatures:
        """Return what the branches say of the dev data."""
        return DevFeatures(self.data, self.branches, self.settings.fusion.fit.seed)

    def _fusion_data(self) -> FusionData:
        views, seed = self.settings.audio.views, self.settings.fusion.fit.seed
        train = TrainFeatures(self.data, self.branches, views, seed, self.runs / "cache")
        spoken, read = self.dev.spoken(self.data.ravdess_script), self.dev.text.logits.argmax(axis=1)
        return FusionData(
            train.dialogs,
            self.dev.dialogs,
            train.voices,
            train.faces,
            spoken,
            self.dev.seen(spoken),
            weighted_f1(self._text_labels, read),
        )

    @property
    def _text_labels(self) -> Ints:
        return np.concatenate([dialog.labels for dialog in self.dev.dialogs])

    def temperatures(self) -> Temperatures:
        """Fit the temperature of each branch, and of the fusion for each set of modalities, on dev."""
        dev = self.dev
        judged = self._judged()
        return Temperatures(
            text=fit_temperature(dev.text.logits, self._text_labels),
            audio=fit_temperature(dev.audio.logits, self.data.sounds_dev.labels),
            face=fit_temperature(dev.face.logits, self.data.faces_dev.labels),
            fused=self._fused_temperature([example for examples in judged.values() for example in examples]),
            fused_by={name: self._fused_temperature(examples) for name, examples in judged.items()},
        )

    def _judged(self) -> dict[str, list[DialogFeatures]]:
        """Return dev examples for each set of modalities: MELD's dialogs for the words alone, else RAVDESS."""
        data = self.fusion.data
        found = {modality_key(names): [example.only(names) for example in data.spoken_seen] for names in _SETS}
        return {"text": [text_only(dialog) for dialog in data.dev], **found}

    def _fused_temperature(self, examples: Sequence[DialogFeatures]) -> float:
        stage = self.fusion
        return fit_temperature(full_logits(stage.model, examples, stage.config), truth(examples))

    def bundle(self) -> Bundle:
        """Return the branches and the trained fusion as a bundle."""
        branches, fusion = self.branches, self.fusion
        config = BundleConfig(
            name="starter",
            labels=LABELS,
            text=TextPart(dim=fusion.config.text_dim, context=branches.context),
            audio=AudioPart(kind="whisper"),
            face=FacePart(size=branches.face.size),
            fusion=fusion.config,
            temperatures=self.temperatures(),
        )
        return Bundle(config, branches.text, branches.tokenizer, branches.audio, branches.face, fusion.network)


def train_starter(
    data: Path,
    runs: Path,
    out: Path,
    transcribe: Transcribe,
    seed: int = 0,
    settings: StarterSettings = StarterSettings(),
    kept: Mapping[BranchName, Branches] | None = None,
) -> StarterReport:
    """Train the four stages but those kept, write the bundle to ``out`` and return what it reaches on dev.

    The figures of the model card are those of the written bundle, its 8-bit weights included.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
        FileError: ``out`` can't be written.
    """
    require_place(out, runs)
    training = StarterTraining(StarterData(data, runs / "cache"), runs, settings.with_seed(seed), kept)
    save_bundle(out, training.bundle(), "Not yet evaluated.\n", precision="int8")
    report = evaluate_bundle(load_bundle(out), training.data, transcribe)
    write_card(out, model_card(report, seed))
    return report


def kept_branches(bundle: Bundle, names: Collection[BranchName]) -> dict[BranchName, Branches]:
    """Return branches of a bundle that are to be kept while the others and the fusion are trained.

    Raises:
        BundleError: the bundle lacks a branch, or is not of the starter's kind.
    """
    branches = Branches.of(bundle)
    if bundle.config.labels != LABELS or not isinstance(branches.audio, VoiceExtractor):
        message = (
            f"the bundle {bundle.config.name} is not of the starter's kind (the seven emotions, a voice on Whisper's "
            "encoder): name another to keep branches of"
        )
        raise BundleError(message)
    return dict.fromkeys(names, branches)


def train_stage(
    stage: StageName, data: Path, runs: Path, seed: int = 0, kept: Mapping[BranchName, Branches] | None = None
) -> Metrics:
    """Train one stage (and, for the fusion, what it needs) and return its best dev metrics.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
    """
    training = StarterTraining(StarterData(data, runs / "cache"), runs, StarterSettings().with_seed(seed), kept)
    getattr(training, stage)
    return training.metrics[stage]
