"""The fusion stage for real conversations: a dialog network on the embeddings of every utterance (section 3.3).

What it learns to do with time is its regime: ``full`` is the paper's, which reads the whole dialog; ``causal``
sees the past only, so that nothing it says ever changes; ``prefix`` sees everything said so far, and in training
dialogs are cut at random, so that one network serves the moment an utterance ends and its later revision.

Where the embeddings themselves know what was said next (the paper's text branch does), so does every view here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from models.branches import EMBEDDING_DIM
from models.dialog_window import FusionConfig
from models.networks.evidence import OwnHead
from models.networks.fusion import DialogBatch, M2FNet
from models.user_error import UserError
from trainer.dialogs.drawn import Change, Judge
from trainer.dialogs.features import MODALITIES, STREAMS, DialogFeatures, Modality, collate, truth
from trainer.dialogs.logits import Collate, full_logits, moment_logits
from trainer.fit.batching import alike
from trainer.fit.loop import FitSettings, one_group
from trainer.fit.metrics import Metrics, accuracy, macro_f1, weighted_f1
from trainer.fit.outputs import Floats
from trainer.stages.imbalance import ImbalanceSettings, class_counts, loss_function

Regime = Literal["full", "causal", "prefix"]
Share = Annotated[float, Field(ge=0, lt=1)]


class FusionDataError(UserError, ValueError):
    """Dialogs can't be trained on; the message says what is wrong."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionSettings:
    """Hyper-parameters: the paper's for MELD where it gives them (section 4.3).

    Attributes:
        fit: of the loop.
        regime: what an utterance may know of the others: the whole dialog, its past, or all that was said so far.
        encoders: transformer encoders of each modality.
        fusion_layers: fusion layers.
        heads: of every attention.
        dropout: 0.4 to 0.5 in the paper.
        batch: dialogs of one step.
        rate: of AdamW.
        weight_decay: 5e-4 to 5e-5 in the paper.
        label_smoothing: none in the paper.
        imbalance: the remedy for rare emotions; none in the paper.
        dialog_dropout: how often a dialog lacks its text, its sound or its images as a whole.
        utterance_dropout: how often a single utterance lacks one of its modalities.
        evidence: the branches' own calibrated log-probabilities are added to what the dialog says; not in the paper.
        cut_rate: ``prefix`` only: how often a dialog is cut after a random utterance.
    """

    fit: FitSettings = FitSettings(epochs=30, select="weighted_f1", ema_decay=0.99, bf16=False)
    regime: Regime = "full"
    encoders: Annotated[int, Field(ge=1)] = 1
    fusion_layers: Annotated[int, Field(ge=1)] = 5
    heads: Annotated[int, Field(ge=1)] = 4
    dropout: Share = 0.4
    batch: Annotated[int, Field(ge=1)] = 16
    rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    label_smoothing: Share = 0.0
    imbalance: ImbalanceSettings = ImbalanceSettings()
    dialog_dropout: Share = 0.0
    utterance_dropout: Share = 0.0
    evidence: bool = False
    cut_rate: Annotated[float, Field(ge=0, le=1)] = 0.5


@dataclass(frozen=True)
class NetworkKind:
    """A network over dialogs: how it is built, and how dialogs become its inputs."""

    build: Callable[[FusionConfig], nn.Module]
    collate: Collate = collate


M2FNET: Final = NetworkKind(M2FNet)


class FusionStage:
    """Cross-entropy, or a remedy's loss, over every utterance of every dialog.

    Args:
        train: what is learned from.
        dev: what checkpoints are chosen on.
        classes: number of emotions.
        settings: hyper-parameters.
        kind: the network; M2FNet, or a baseline to compare it with on the same input.
        widths: of the embeddings, where the dialogs do not tell because none has the modality.
        change: what becomes of a training dialog each time, before it is cut and loses modalities; None: nothing.
        judge: the dev metrics; None: :func:`dialog_metrics` of ``dev``.
        heads: the branches' own, which are the evidence where the settings ask for it.

    Raises:
        FusionDataError: no dialogs, an empty one, a label that is no class, or embeddings of different widths.
    """

    name = "fusion"

    def __init__(
        self,
        train: Sequence[DialogFeatures],
        dev: Sequence[DialogFeatures],
        classes: int,
        settings: FusionSettings,
        kind: NetworkKind = M2FNET,
        widths: Mapping[Modality, int] | None = None,
        *,
        change: Change | None = None,
        judge: Judge | None = None,
        heads: Mapping[Modality, OwnHead] | None = None,
    ) -> None:
        torch.manual_seed(settings.fit.seed)
        for dialogs, split in ((train, "train"), (dev, "dev")):
            _check(dialogs, classes, split)
        self.train, self.dev, self.settings, self.kind = train, dev, settings, kind
        self.change, self.judge = change, judge
        self.config = fusion_config([*train, *dev], classes, settings, widths)
        self.network = kind.build(self.config)
        self.model: nn.Module = self.network
        if isinstance(self.network, M2FNet) and self.network.evidence is not None:
            self.network.evidence.take({str(name): head for name, head in (heads or {}).items()})
        counts = class_counts(truth(train), classes)
        self._loss = loss_function(settings.imbalance, counts, settings.label_smoothing)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return the batches of one pass over the dialogs."""
        return -(-len(self.train) // self.settings.batch)

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[DialogBatch, Tensor]]:
        """Yield dialogs in random order, cut and without some modalities as the settings say."""
        del epoch
        dialogs = [self._example(self.train[row], generator) for row in generator.permutation(len(self.train))]
        for batch in alike(dialogs, lambda dialog: len(dialog.labels), self.settings.batch, generator):
            yield self.kind.collate(batch, self.config)

    def _example(self, dialog: DialogFeatures, generator: np.random.Generator) -> DialogFeatures:
        settings = self.settings
        if self.change is not None:
            dialog = self.change(dialog, generator)
        if settings.regime == "prefix" and generator.random() < settings.cut_rate:
            dialog = dialog.first(int(generator.integers(1, len(dialog.labels) + 1)))
        return drop_modalities(dialog, settings.dialog_dropout, settings.utterance_dropout, generator)

    def loss(self, batch: tuple[DialogBatch, Tensor]) -> Tensor:
        """Return the loss over the utterances."""
        features, labels = batch
        logits: Tensor = self.model(*features.inputs())
        return self._loss(logits.flatten(0, 1).float(), labels.flatten())

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return the dev metrics, each utterance judged as the regime sees it.

        That is with the whole dialog for ``full``, with the past for ``causal`` and ``prefix``.
        """
        if self.judge is not None:
            return self.judge(lambda dialogs: self.logits(model, dialogs))
        return dialog_metrics(self.logits(model, self.dev), self.dev)

    def logits(self, model: nn.Module, dialogs: Sequence[DialogFeatures]) -> Floats:
        """Return what a model says of every utterance ``(utterances, classes)``, as the regime sees it."""
        view = moment_logits if self.settings.regime == "prefix" else full_logits
        return view(model, dialogs, self.config, self.kind.collate)


def fusion_config(
    dialogs: Sequence[DialogFeatures],
    classes: int,
    settings: FusionSettings,
    widths: Mapping[Modality, int] | None = None,
) -> FusionConfig:
    """Return the network's configuration for embeddings as the dialogs have them.

    Args:
        dialogs: all of them, so that a modality which few have is found.
        classes: number of emotions.
        settings: the depths, the dropout and the regime.
        widths: of modalities that no dialog has; 300 where it says nothing of them.

    Raises:
        FusionDataError: a modality's embeddings have different widths.
    """
    dims = {f"{name}_dim": _width(dialogs, name, (widths or {}).get(name, EMBEDDING_DIM)) for name in MODALITIES}
    return FusionConfig(
        **dims,
        classes=classes,
        encoders=settings.encoders,
        fusion_layers=settings.fusion_layers,
        heads=settings.heads,
        dropout=settings.dropout,
        causal=settings.regime == "causal",
        evidence=settings.evidence,
    )


def _width(dialogs: Sequence[DialogFeatures], modality: Modality, default: int) -> int:
    embeddings = (embedding for dialog in dialogs for embedding in getattr(dialog, modality))
    found = {embedding.shape for embedding in embeddings if embedding is not None}
    if len(found) > 1:
        message = f"{modality} embeddings have different shapes ({sorted(found)}): extract all features again"
        raise FusionDataError(message)
    return int(found.pop()[0]) if found else default


def _check(dialogs: Sequence[DialogFeatures], classes: int, split: str) -> None:
    if not dialogs or not all(dialog.labels for dialog in dialogs):
        message = f"{split} has no dialogs, or one without utterances: look at `m2fnet train data`"
        raise FusionDataError(message)
    wrong = {label for dialog in dialogs for label in dialog.labels if not 0 <= label < classes}
    if wrong:
        message = f"{split} has labels {sorted(wrong)}, but there are {classes} classes, from 0"
        raise FusionDataError(message)


def drop_modalities(
    dialog: DialogFeatures, dialog_rate: float, utterance_rate: float, generator: np.random.Generator
) -> DialogFeatures:
    """Return the dialog with some modalities absent; of what an utterance has, at least one stays.

    Args:
        dialog: as it was recorded.
        dialog_rate: how often the text, the sound or the images are absent from the whole dialog.
        utterance_rate: how often one modality of one utterance is.
        generator: all randomness.
    """
    names = _kept_streams(dialog, dialog_rate, generator)
    kept = [_kept(present, names, utterance_rate, generator) for present in dialog.present()]
    dropped = {
        name: [one if name in stays else None for one, stays in zip(getattr(dialog, name), kept, strict=True)]
        for name in MODALITIES
    }
    return replace(dialog, **dropped)  # type: ignore[arg-type] # the names are those of the fields


def _kept_streams(dialog: DialogFeatures, rate: float, generator: np.random.Generator) -> set[Modality]:
    occurring = {name for present in dialog.present() for name in present}
    streams = [stream for stream in STREAMS if occurring.intersection(stream)]
    kept = [stream for stream in streams if generator.random() >= rate]
    if streams and not kept:
        kept = [streams[generator.integers(len(streams))]]
    return {name for stream in kept for name in stream}


def _kept(
    present: Sequence[Modality], names: set[Modality], rate: float, generator: np.random.Generator
) -> set[Modality]:
    allowed = [name for name in present if name in names] or list(present)
    kept = {name for name in allowed if generator.random() >= rate}
    if allowed and not kept:
        kept = {allowed[generator.integers(len(allowed))]}
    return kept


def dialog_metrics(logits: Floats, dialogs: Sequence[DialogFeatures]) -> Metrics:
    """Return weighted F1, macro F1 and accuracy of logits ``(utterances, classes)``."""
    right, predicted = truth(dialogs), logits.argmax(axis=1)
    return {
        "weighted_f1": weighted_f1(right, predicted),
        "macro_f1": macro_f1(right, predicted),
        "accuracy": accuracy(right, predicted),
    }
