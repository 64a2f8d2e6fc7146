"""The visual stage: the face extractor on FER2013's expression labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.extractor import EmotionExtractor
from models.face_image import face_input
from models.labels import LABELS
from models.losses import ExtractorLossWeights, TripletForm, extractor_loss
from trainer.data.fer2013 import FaceSet
from trainer.loop import FitSettings, Metrics, channels_last, one_group
from trainer.metrics import accuracy, macro_f1, unweighted_accuracy
from trainer.outputs import BranchOutput

_EVAL_BATCH: Final = 256
_ERASED: Final = 0.3


@dataclass(frozen=True)
class VisualSettings:
    """Hyper-parameters of the visual stage."""

    fit: FitSettings = FitSettings(epochs=27, select="accuracy", ema_decay=0.998)
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 5e-2
    label_smoothing: float = 0.1
    metric_weight: float = 0.02
    """Weight of the extractor's own losses (equation 14, which sum to about 20) beside cross-entropy."""
    triplet_form: TripletForm = "corrected"
    small_epochs: int = 20
    """How many first epochs run on smaller images: a third of the work for most of the learning."""
    small_size: int = 64


@dataclass(frozen=True)
class FaceBatch:
    """Images ``(batch, 3, side, side)`` and labels ``(batch,)``."""

    images: Tensor
    labels: Tensor


class VisualStage:
    """Cross-entropy on a linear head, with the paper's losses on the embedding (DESIGN: expression labels)."""

    name = "visual"

    def __init__(self, train: FaceSet, dev: FaceSet, settings: VisualSettings) -> None:
        torch.manual_seed(settings.fit.seed)
        self.network = EmotionExtractor(len(LABELS), dropout=0.2)
        self.model: nn.Module = channels_last(self.network)
        self.train, self.dev, self.settings = train, dev, settings

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return the whole batches of one pass over the faces."""
        return len(self.train.labels) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[FaceBatch]:
        """Yield augmented faces, small ones in the first epochs."""
        order = generator.permutation(len(self.train.labels))[: self.steps() * self.settings.batch]
        size = self.settings.small_size if epoch < self.settings.small_epochs else None
        for rows in order.reshape(-1, self.settings.batch):
            images = augment(face_input(torch.from_numpy(self.train.pixels[rows])), generator)
            if size is not None:
                images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
            labels = torch.from_numpy(self.train.labels[rows])
            yield FaceBatch(images.contiguous(memory_format=torch.channels_last), labels)

    def loss(self, batch: FaceBatch) -> Tensor:
        """Return cross-entropy plus the weighted extractor losses."""
        embedding, logits = self.model(batch.images)
        metric = extractor_loss(embedding.float(), batch.labels, ExtractorLossWeights(), self.settings.triplet_form)
        smoothing = self.settings.label_smoothing
        classification = functional.cross_entropy(logits.float(), batch.labels, label_smoothing=smoothing)
        return classification + self.settings.metric_weight * metric

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return accuracy, unweighted accuracy and macro F1 on dev."""
        predicted = face_outputs(model, self.dev).logits.argmax(axis=1)
        truth = self.dev.labels
        return {
            "accuracy": accuracy(truth, predicted),
            "unweighted_accuracy": unweighted_accuracy(truth, predicted),
            "macro_f1": macro_f1(truth, predicted),
        }


@torch.inference_mode()
def face_outputs(model: nn.Module, faces: FaceSet) -> BranchOutput:
    """Return the embeddings and expression logits of a set of faces."""
    model.eval()
    outputs = []
    for start in range(0, len(faces.labels), _EVAL_BATCH):
        images = face_input(torch.from_numpy(faces.pixels[start : start + _EVAL_BATCH]))
        outputs.append(model(images.contiguous(memory_format=torch.channels_last)))
    return BranchOutput.gather(outputs)


def augment(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Flip, rotate, shift, scale, change the contrast of and erase parts of a batch of faces."""
    count = len(images)
    angle = np.deg2rad(generator.uniform(-12, 12, count))
    scale = generator.uniform(0.9, 1.12, count)
    flip = generator.choice([-1.0, 1.0], count)
    shift = generator.uniform(-0.1, 0.1, (count, 2))
    rows = [
        np.stack([scale * flip * np.cos(angle), -scale * np.sin(angle), shift[:, 0]], axis=1),
        np.stack([scale * flip * np.sin(angle), scale * np.cos(angle), shift[:, 1]], axis=1),
    ]
    matrix = torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast = torch.from_numpy(generator.uniform(0.7, 1.3, (count, 1, 1, 1)).astype(np.float32))
    return _erase(moved * contrast, generator)


def _erase(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Blank a random rectangle of half the images."""
    side = images.shape[-1]
    for image in images:
        if generator.random() < _ERASED:
            height, width = generator.integers(side // 8, side // 3, 2)
            top, left = generator.integers(0, side - height), generator.integers(0, side - width)
            image[:, top : top + height, left : left + width] = 0.0
    return images
