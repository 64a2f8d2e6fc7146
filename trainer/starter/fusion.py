"""The fusion stage: M2FNet on MELD's dialogs with label-matched voices and faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.fusion import DialogBatch, FusionConfig, M2FNet
from trainer.dialogs.features import SKIP, DialogFeatures, Features, collate
from trainer.dialogs.logits import full_logits
from trainer.fit.loop import FitSettings, Metrics, one_group
from trainer.fit.metrics import Ints, unweighted_accuracy, weighted_f1
from trainer.starter.feature_bank import FeatureBank, Floats
from trainer.starter.pairing import Pairing, PairingSettings, pair_dialog

_SHORTFALL_WEIGHT: Final = 5.0  # words alone must not suffer from the fusion: that weighs more than a gain elsewhere


@dataclass(frozen=True)
class FusionSettings:
    """Hyper-parameters of the fusion stage: the paper's for MELD where it gives them (section 4.3)."""

    fit: FitSettings = FitSettings(epochs=12, select="score", ema_decay=0.99)
    pairing: PairingSettings = PairingSettings()
    batch: int = 16
    rate: float = 5e-4
    weight_decay: float = 5e-4
    dropout: float = 0.4
    label_smoothing: float = 0.05
    crop_rate: float = 0.3
    """How often a dialog is cut to a random stretch, so that short dialogs are known too."""


@dataclass(frozen=True)
class TextDialog:
    """One dialog: text embeddings ``(utterances, dim)`` and labels ``(utterances,)``."""

    text: Floats
    labels: Ints


@dataclass(frozen=True)
class FusionData:
    """What the stage trains on and is judged by.

    ``spoken`` are single utterances with neutral words, ``spoken_seen`` the same with a face of their label;
    ``text_weighted_f1`` is what the text branch alone reaches on ``dev``.
    """

    train: Sequence[TextDialog]
    dev: Sequence[TextDialog]
    audio: FeatureBank
    face: FeatureBank
    spoken: Sequence[DialogFeatures]
    spoken_seen: Sequence[DialogFeatures]
    text_weighted_f1: float


class FusionStage:
    """Cross-entropy over every utterance of every dialog."""

    name = "fusion"

    def __init__(self, data: FusionData, settings: FusionSettings) -> None:
        torch.manual_seed(settings.fit.seed)
        self.data, self.settings = data, settings
        self.config = FusionConfig(
            text_dim=data.train[0].text.shape[1],
            audio_dim=data.audio.dim,
            face_dim=data.face.dim,
            scene_dim=data.face.dim,
            dropout=settings.dropout,
        )
        self.network = M2FNet(self.config)
        self.model: nn.Module = self.network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return the batches of one pass over the dialogs."""
        return -(-len(self.data.train) // self.settings.batch)

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[DialogBatch, Tensor]]:
        """Yield dialogs, each paired anew with voices and faces."""
        del epoch
        order = generator.permutation(len(self.data.train))
        for start in range(0, len(order), self.settings.batch):
            dialogs = [self.data.train[row] for row in order[start : start + self.settings.batch]]
            yield collate([self._example(dialog, generator) for dialog in dialogs], self.config)

    def _example(self, dialog: TextDialog, generator: np.random.Generator) -> DialogFeatures:
        if generator.random() < self.settings.crop_rate:
            first = int(generator.integers(len(dialog.labels)))
            last = int(generator.integers(first, len(dialog.labels))) + 1
            dialog = TextDialog(dialog.text[first:last], dialog.labels[first:last])
        pairs = pair_dialog(dialog.labels.tolist(), self.settings.pairing, generator)
        return paired_example(dialog, pairs, self.data.audio, self.data.face, generator)

    def loss(self, batch: tuple[DialogBatch, Tensor]) -> Tensor:
        """Return label-smoothed cross-entropy over the utterances."""
        features, labels = batch
        logits = self.model(*features.inputs())
        smoothing = self.settings.label_smoothing
        return functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=SKIP, label_smoothing=smoothing
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return the weighted F1 of text alone on MELD dev, and what neutral words said with emotion give.

        ``score``, by which the checkpoint is chosen, is their mean less what text alone loses by the fusion.
        """
        text = full_logits(model, [text_only(dialog) for dialog in self.data.dev], self.config)
        truth = np.concatenate([dialog.labels for dialog in self.data.dev])
        metrics = {"text_weighted_f1": weighted_f1(truth, text.argmax(axis=1))}
        for name, examples in (("spoken", self.data.spoken), ("spoken_seen", self.data.spoken_seen)):
            predicted = full_logits(model, examples, self.config).argmax(axis=1)
            labels = np.array([example.labels[0] for example in examples], np.int64)
            metrics[f"{name}_unweighted_accuracy"] = unweighted_accuracy(labels, predicted)
        shortfall = max(0.0, self.data.text_weighted_f1 - metrics["text_weighted_f1"])
        return {**metrics, "score": float(np.mean(list(metrics.values()))) - _SHORTFALL_WEIGHT * shortfall}


def text_only(dialog: TextDialog) -> DialogFeatures:
    """Return a dialog without voices and faces."""
    nothing: Features = [None] * len(dialog.labels)
    return DialogFeatures(list(dialog.text), nothing, nothing, nothing, dialog.labels.tolist())


def paired_example(
    dialog: TextDialog, pairs: Sequence[Pairing], audio: FeatureBank, face: FeatureBank, generator: np.random.Generator
) -> DialogFeatures:
    """Draw the voices and faces that a pairing asks for."""
    return DialogFeatures(
        [text if pair.has_text else None for text, pair in zip(dialog.text, pairs, strict=True)],
        [None if pair.voice is None else audio.draw(pair.voice, generator) for pair in pairs],
        [None if pair.face is None else face.draw_over_frames(pair.face, generator) for pair in pairs],
        [None] * len(pairs),
        [pair.label for pair in pairs],
    )


def with_face(example: DialogFeatures, faces: FeatureBank, generator: np.random.Generator) -> DialogFeatures:
    """Return an example with a correctly labelled face for every utterance."""
    return replace(example, face=[faces.draw_over_frames(label, generator) for label in example.labels])
