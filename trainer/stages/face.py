"""The visual stage: the face extractor on expression labels, as FER2013's, or on identities."""

from dataclasses import field
from typing import Annotated, Final, cast

import numpy as np
import pydantic
import torch
from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from models.media.face_image import INPUT_SIZE, MIN_SIZE, face_input, resized
from models.networks.extractor import EmotionExtractor
from trainer.data.faces import FaceSet
from trainer.fit.loop import FitSettings
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput
from trainer.stages.extractor import PAPER_DECAY, PAPER_RATE, ExtractorSettings, paper_fit
from trainer.stages.image import ImageStage, laid_out

_EVAL_BATCH: Final = 256
_ERASED: Final = 0.3


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class VisualSettings(ExtractorSettings):
    """Hyper-parameters of the visual stage."""

    fit: FitSettings = field(default_factory=lambda: FitSettings(epochs=27, select="accuracy", ema_decay=0.998))
    batch: int = 64
    small_epochs: NonNegativeInt = 20
    """How many first epochs run on smaller images: a third of the work for most of the learning."""
    small_size: PositiveInt = 64
    size: Annotated[int, Field(ge=MIN_SIZE)] = INPUT_SIZE
    """Pixels a side of the faces after that, and of those that are judged; the bundle has it for the live ones."""

    @staticmethod
    def paper() -> "VisualSettings":
        """Return the paper's: its three losses alone, by Adam, for 100 epochs (section 4.2)."""
        return VisualSettings(
            fit=paper_fit(epochs=100),
            rate=PAPER_RATE,
            weight_decay=PAPER_DECAY,
            classification_weight=0.0,
            metric_weight=1.0,
            small_epochs=0,
        )


class VisualStage(ImageStage):
    """The extractor on faces and their expressions or identities (DESIGN: expression labels are the default)."""

    name = "visual"

    def __init__(self, train: FaceSet, dev: FaceSet, settings: VisualSettings) -> None:
        super().__init__(train, dev, settings)
        self.train, self.dev = train, dev
        self.small_epochs, self.small_size = settings.small_epochs, settings.small_size
        self.network.size = settings.size

    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return augmented faces, small ones in the first epochs."""
        images = augment(face_input(torch.from_numpy(self.train.pixels[rows])), generator)
        return laid_out(resized(images, self.small_size if epoch < self.small_epochs else self.network.size))

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a model says of training faces as they are."""
        faces = FaceSet(self.train.pixels[rows], self.train.labels[rows], self.train.classes)
        return face_outputs(model, faces)

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a model says of the dev faces."""
        return face_outputs(model, self.dev)


@torch.inference_mode()
def face_outputs(model: nn.Module, faces: FaceSet, size: int | None = None) -> BranchOutput:
    """Return the embeddings and logits of a set of faces, seen ``size`` pixels wide, or as the model's own say."""
    model.eval()
    outputs, size = [], size or cast("EmotionExtractor", model).size
    for start in range(0, len(faces.labels), _EVAL_BATCH):
        images = face_input(torch.from_numpy(faces.pixels[start : start + _EVAL_BATCH]), size)
        outputs.append(model(laid_out(images, model)))
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
