"""From trained stages to a bundle: heads for the conversations' emotions, temperatures, and the model card.

A modality without data is absent from the bundle.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from models.bundle import Bundle, load_bundle, require_place, save_bundle, write_card
from models.bundle_config import (
    AudioPart,
    BundleConfig,
    ExtractorPart,
    FacePart,
    Temperatures,
    TextPart,
    Thresholds,
    modality_key,
)
from models.networks.calibration import fit_temperature, fit_threshold, probabilities
from models.networks.extractor import EmotionExtractor
from models.networks.fusion import M2FNet
from models.networks.speech_encoder import learned_baseline
from trainer.card import model_card
from trainer.config import TrainConfig
from trainer.dialogs.features import MODALITIES, Modality, truth
from trainer.features.transcripts import Transcribe
from trainer.fit.devices import processes
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.pretrained_speakers import pretrained_speaker_encoder
from trainer.starter.report import StarterReport, evaluate_bundle
from trainer.training import ConversationTraining


class Assembly:
    """A bundle of what a training has learned."""

    def __init__(self, training: ConversationTraining) -> None:
        self.training = training

    def temperatures(self) -> Temperatures:
        """Fit the temperature of each branch and, for each set of modalities, of the fusion on dev."""
        training = self.training
        fused = {name: fit_temperature(*answers) for name, answers in self.fused.items()}
        return Temperatures(
            **{name: branch.temperature for name, branch in training.branches.items()},
            fused=fused[modality_key(training.data.modalities)],
            fused_by=fused,
        )

    def thresholds(self, temperatures: Temperatures) -> Thresholds:
        """Fit on dev from which confidence on the fusion is relied upon, for each set of modalities."""
        precision = self.training.config.output.sure_precision
        fused = {
            name: fit_threshold(probabilities(logits, temperatures.fused_by[name]), labels, precision)
            for name, (logits, labels) in self.fused.items()
        }
        return Thresholds(fused=fused[modality_key(self.training.data.modalities)], fused_by=fused)

    @cached_property
    def fused(self) -> dict[str, tuple[Floats, Ints]]:
        """Return the fusion's logits for each set of modalities on dev, and what is right."""
        fusion, dev = self.training.fusion, self.training.fusion_data.tempered
        return {name: (fusion.logits(fusion.model, dialogs), truth(dialogs)) for name, dialogs in dev.items()}

    def bundle(self) -> Bundle:
        """Return the trained stages as a bundle, on the CPU."""
        training, fusion, temperatures = self.training, self.training.fusion, self.temperatures()
        networks: dict[str, Any] = {name: branch.network.cpu() for name, branch in training.branches.items()}
        extractors, given = training.extractors, training.config
        config = BundleConfig(
            name=given.output.name,
            labels=training.data.labels,
            networks=(*networks, "fusion"),
            text=TextPart(dim=fusion.config.text_dim, context=extractors.context, max_tokens=extractors.max_tokens),
            audio=AudioPart(
                dim=fusion.config.audio_dim, kind=given.audio.backbone, baseline=_baseline(networks.get("audio"))
            ),
            face=_face_part(fusion.config.face_dim, networks.get("face")),
            scene=ExtractorPart(dim=fusion.config.scene_dim),
            fusion=fusion.config,
            temperatures=temperatures,
            thresholds=self.thresholds(temperatures),
        )
        tokenizer = extractors.tokenizer
        assert tokenizer is not None  # noqa: S101 - as above
        assert isinstance(fusion.network, M2FNet)  # noqa: S101 - the stage's own kind, where no other is asked for
        branches: dict[str, Any] = {name: networks.get(name) for name in MODALITIES}
        return Bundle(config, tokenizer=tokenizer, fusion=fusion.network.cpu(), **branches)


def _face_part(dim: int, face: EmotionExtractor | None) -> FacePart:
    return FacePart(dim=dim) if face is None else FacePart(dim=dim, size=face.size, backbone=face.backbone)


def _baseline(audio: nn.Module | None) -> int:
    """Return how many statistics speakers' baselines are kept of."""
    known = learned_baseline(audio)
    return 0 if known is None else len(known.weights)


def train_bundle(
    config: TrainConfig, runs: Path, out: Path, kept: Mapping[Modality, Bundle] | None = None
) -> ConversationTraining:
    """Train everything there are data for, write the bundle, and return the training.

    Args:
        config: what to train on and how.
        runs: checkpoints, logs and caches.
        out: the bundle's folder; one that is there is replaced.
        kept: branches to be taken as they are, as :func:`trainer.training.kept_branches` returns them.

    Raises:
        DatasetError: the conversations are missing, or not as they should be.
        CheckpointError: ``runs`` holds those of another training.
        PretrainedWeightsError: the speaker encoder is missing or not the one it should be.
        BundleError: the bundle can't be written.
        FileError: the same.
    """
    require_place(out, runs)
    given = config.speaker.pretrained
    speaker = None if given is None else pretrained_speaker_encoder(given)  # if it is missing, not told hours later
    training = ConversationTraining(config, runs, kept)
    bundle = replace(Assembly(training).bundle(), speaker=speaker)
    if processes().is_main_process:
        card = model_card(config, bundle.config, training.metrics, training.data.absent)
        save_bundle(out, bundle, card, config.output.precision, config.output.max_file_bytes)
    processes().wait_for_everyone()
    return training


def train_starter(
    config: TrainConfig,
    runs: Path,
    out: Path,
    transcribe: Transcribe,
    kept: Mapping[Modality, Bundle] | None = None,
) -> StarterReport:
    """Train a bundle on drawn voices and faces, and return what it reaches on dev, which its card tells too.

    The figures are those of the written bundle, its 8-bit weights included.

    Raises:
        DatasetError: a corpus is missing or not as it should be.
        FileError: ``out`` can't be written.
    """
    training = train_bundle(config, runs, out, kept)
    bundle = load_bundle(out)
    report = evaluate_bundle(bundle, training.data, transcribe)
    write_card(out, model_card(config, bundle.config, training.metrics, training.data.absent, report))
    return report
