"""What the visual and the scene stage share: a network that sees images, any of which may have any label."""

from typing import Protocol

import torch
from torch import Tensor, nn

from models.branches import Backbone
from models.networks.extractor import EmotionExtractor
from trainer.fit.devices import device_of
from trainer.fit.metrics import Ints, Metrics, accuracy, macro_f1, unweighted_accuracy
from trainer.fit.outputs import Floats
from trainer.stages.extractor import ExtractorSettings, ExtractorStage

_DROPOUT = 0.2


class Labelled(Protocol):
    """Images with labels ``(n,)``, as indices of ``classes``."""

    @property
    def labels(self) -> Ints:
        """Return ``(n,)``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the labels' names."""


class ImageStage(ExtractorStage[EmotionExtractor]):
    """The paper's extractor with a head for the labels of the training images.

    Args:
        train: what is learned from.
        dev: what checkpoints are chosen on.
        settings: of the stage.
        backbone: of the extractor.
        targets: ``(n, classes)``, what the head is to say of the training images where that is more than their labels.
    """

    def __init__(
        self,
        train: Labelled,
        dev: Labelled,
        settings: ExtractorSettings,
        *,
        backbone: Backbone = "resnet18",
        targets: Floats | None = None,
    ) -> None:
        torch.manual_seed(settings.fit.seed)
        detached = settings.classification_weight == 0
        network = EmotionExtractor(len(train.classes), dropout=_DROPOUT, detached_head=detached, backbone=backbone)
        labels = train.labels if targets is None else targets.argmax(axis=1)
        same = train.classes == dev.classes
        super().__init__(network, labels, dev.labels, settings, shared_labels=same, targets=targets)
        self.classes = train.classes

    def masks(self, rows: Ints) -> Tensor:
        """Return zeros: any image may have any label."""
        return torch.zeros(len(rows), len(self.classes))

    def head_metrics(self, logits: Floats) -> Metrics:
        """Return accuracy, unweighted accuracy and macro F1 on dev."""
        predicted, truth = logits.argmax(axis=1), self.dev_labels
        return {
            "accuracy": accuracy(truth, predicted),
            "unweighted_accuracy": unweighted_accuracy(truth, predicted),
            "macro_f1": macro_f1(truth, predicted),
        }


def laid_out(images: Tensor, model: nn.Module | None = None) -> Tensor:
    """Return images as CPUs convolve them fastest, on the device of a model if one is given."""
    images = images.contiguous(memory_format=torch.channels_last)
    return images if model is None else images.to(device_of(model))
