"""The starter bundle: four stages on freely available data, each resumable, and the folder they end in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from models.bundle import (
    AudioPart,
    Bundle,
    BundleConfig,
    Temperatures,
    TextPart,
    load_bundle,
    modality_key,
    save_bundle,
    write_card,
)
from models.calibration import fit_temperature
from models.face_image import face_input
from models.labels import LABELS
from models.speech_encoder import load_whisper_encoder
from trainer import visual
from trainer.data.faces import FaceSet
from trainer.dev_features import Branches, DevFeatures, text_dialogs
from trainer.dialog_features import DialogFeatures, Modality
from trainer.dialog_fusion import FusionData, FusionSettings, FusionStage, fusion_logits, text_only
from trainer.feature_bank import FeatureBank
from trainer.features.transcripts import Transcribe
from trainer.loop import FitSettings, Metrics, Stage, channels_last, fit, half_precision
from trainer.model_card import model_card
from trainer.outputs import Floats
from trainer.packaged import packaged_mpnet, packaged_whisper
from trainer.probes import ProbeSettings
from trainer.starter_data import StarterData
from trainer.starter_report import StarterReport, evaluate_bundle
from trainer.text_stage import TextSettings, TextStage
from trainer.visual import VisualSettings, VisualStage
from trainer.voice_stage import VoiceSettings, VoiceStage, head_outputs, whisper_input
from trainer.whole_file import whole_file

AnyStage = TypeVar("AnyStage", bound=Stage)
StageName = Literal["text", "visual", "audio", "fusion"]

_FACE_VIEWS: Final = 3
_SETS: Final[tuple[tuple[Modality, ...], ...]] = (
    ("audio",), ("face",), ("text", "audio"), ("text", "face"), ("audio", "face"), ("text", "audio", "face"),
)  # fmt: skip
_FACES_PER_LABEL: Final = 800


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
        small_epochs=36,
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
    """

    def __init__(self, data: StarterData, runs: Path, settings: StarterSettings) -> None:
        self.data, self.runs, self.settings = data, runs, settings
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
        """Return the three trained branches."""
        text, context = self.text, self.settings.text.context
        network = self.audio.network.eval()
        return Branches(text.encoder.eval(), text.tokenizer, context, network, whisper_input, self.visual.network)

    @cached_property
    def dev(self) -> DevFeatures:
        """Return what the branches say of the dev data."""
        return DevFeatures(self.data, self.branches, self.settings.fusion.fit.seed)

    def _fusion_data(self) -> FusionData:
        spoken = self.dev.spoken(self.data.ravdess_script)
        train = self.data.meld_train
        return FusionData(
            text_dialogs(train, self._cached("text", lambda: self.text.train_output().embeddings)),
            self.dev.dialogs,
            self._audio_bank(),
            self._face_bank(),
            spoken,
            self.dev.seen(spoken),
            self.metrics[self.text.name]["weighted_f1"],
        )

    def _audio_bank(self) -> FeatureBank:
        """Return the embeddings of every clip as it is and as it was changed for the training."""
        stage, sounds = self.audio, self.data.sounds_train
        views = [head_outputs(stage.model, stage.heard[:, view]).embeddings for view in range(stage.heard.shape[1])]
        return FeatureBank.of(np.stack(views, axis=1), sounds.labels, sounds.corpora)

    def _face_bank(self) -> FeatureBank:
        faces = _subset(self.data.faces_train, _FACES_PER_LABEL, self.settings.visual.fit.seed)
        model = self.visual.model
        views = self._cached("visual", lambda: _face_views(model, faces))
        return FeatureBank.of(views, faces.labels, ["fer2013"] * len(faces.labels))

    def _cached(self, stage: str, make: Callable[[], Floats]) -> Floats:
        """Return a stage's training embeddings from the disk if they are of its present weights, else make them."""
        path, weights = self.runs / "cache" / f"{stage}-bank.npy", self.runs / stage / "best.pt"
        if path.exists() and path.stat().st_mtime > weights.stat().st_mtime:
            return np.asarray(np.load(path, allow_pickle=False), np.float32)
        views = make()
        with whole_file(path) as partial:
            np.save(partial, views)
        return views

    def temperatures(self) -> Temperatures:
        """Fit the temperature of each branch, and of the fusion for each set of modalities, on dev."""
        dev = self.dev
        text_labels = np.concatenate([dialog.labels for dialog in self.fusion.data.dev])
        judged = self._judged()
        return Temperatures(
            text=fit_temperature(dev.text.logits, text_labels),
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
        labels = np.array([label for example in examples for label in example.labels], np.int64)
        return fit_temperature(fusion_logits(stage.model, examples, stage.config), labels)

    def bundle(self) -> Bundle:
        """Return the trained stages as a bundle."""
        text, fusion = self.text, self.fusion
        config = BundleConfig(
            name="starter",
            labels=LABELS,
            text=TextPart(dim=fusion.config.text_dim, context=self.settings.text.context),
            audio=AudioPart(kind="whisper"),
            fusion=fusion.config,
            temperatures=self.temperatures(),
        )
        return Bundle(config, text.encoder, text.tokenizer, self.audio.network, self.visual.network, fusion.network)


def train_starter(
    data: Path,
    runs: Path,
    out: Path,
    transcribe: Transcribe,
    seed: int = 0,
    settings: StarterSettings = StarterSettings(),
) -> StarterReport:
    """Train the four stages, write the bundle to ``out`` and return what it reaches on dev.

    The figures of the model card are those of the written bundle, its 8-bit weights included.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
    """
    training = StarterTraining(StarterData(data, runs / "cache"), runs, settings.with_seed(seed))
    save_bundle(out, training.bundle(), "Not yet evaluated.\n", precision="int8")
    report = evaluate_bundle(load_bundle(out), training.data, transcribe)
    write_card(out, model_card(report, seed))
    return report


def train_stage(stage: StageName, data: Path, runs: Path, seed: int = 0) -> Metrics:
    """Train one stage (and, for the fusion, what it needs) and return its best dev metrics.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
    """
    training = StarterTraining(StarterData(data, runs / "cache"), runs, StarterSettings().with_seed(seed))
    getattr(training, stage)
    return training.metrics[stage]


@torch.inference_mode()
def _face_views(model: torch.nn.Module, faces: FaceSet, batch: int = 128) -> Floats:
    """Return ``(faces, 3, dim)``: each face three times, differently augmented."""
    generator = np.random.default_rng(0)
    rows = []
    model = channels_last(model)
    for start in tqdm(range(0, len(faces.labels), batch), desc="faces for the fusion"):
        images = face_input(torch.from_numpy(faces.pixels[start : start + batch]))
        with half_precision():
            views = [model(visual.augment(images, generator))[0] for _ in range(_FACE_VIEWS)]
        rows.append(torch.stack(views, dim=1).float().numpy())
    return np.concatenate(rows)


def _subset(faces: FaceSet, per_label: int, seed: int) -> FaceSet:
    """Return at most so many faces of each label."""
    order = np.random.default_rng(seed).permutation(len(faces.labels))
    rows = np.concatenate([order[faces.labels[order] == label][:per_label] for label in range(len(LABELS))])
    return FaceSet(faces.pixels[rows], faces.labels[rows])
