"""The scene stage: the extractor on whole images of conversations (paper, section 3.2.3)."""

from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import pydantic
import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from models.media.scene_image import scene_input
from trainer.fit.loop import FitSettings
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput
from trainer.stages.extractor import PAPER_DECAY, PAPER_RATE, ExtractorSettings, paper_fit
from trainer.stages.face import augment
from trainer.stages.image import ImageStage, laid_out

_EVAL_BATCH: Final = 64


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SceneSettings(ExtractorSettings):
    """Hyper-parameters of the scene stage."""

    fit: FitSettings = field(default_factory=lambda: FitSettings(epochs=15, select="macro_f1", ema_decay=0.997))
    batch: int = 64
    frames: Annotated[int, Field(ge=1)] = 3
    """Images of each utterance that are learned from, evenly spaced over it."""

    @staticmethod
    def paper() -> "SceneSettings":
        """Return the paper's: its three losses alone, by Adam, for 100 epochs (section 4.2)."""
        return SceneSettings(
            fit=paper_fit(epochs=100),
            rate=PAPER_RATE,
            weight_decay=PAPER_DECAY,
            classification_weight=0.0,
            metric_weight=1.0,
        )


@dataclass(frozen=True, eq=False)
class Scenes:
    """Shrunk images ``(n, side, side, 3)`` uint8 and their labels ``(n,)``, as indices of ``classes``."""

    pixels: npt.NDArray[np.uint8]
    labels: Ints
    classes: tuple[str, ...]


class SceneStage(ImageStage):
    """The extractor on whole images and the emotion of what is said in them."""

    name = "scene"

    def __init__(self, train: Scenes, dev: Scenes, settings: SceneSettings) -> None:
        super().__init__(train, dev, settings)
        self.train, self.dev = train, dev

    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return augmented images."""
        del epoch
        return laid_out(augment(torch.from_numpy(scene_input(self.train.pixels[rows])), generator))

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a model says of training images as they are."""
        return scene_outputs(model, self.train.pixels[rows])

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a model says of the dev images."""
        return scene_outputs(model, self.dev.pixels)


@torch.inference_mode()
def scene_outputs(model: nn.Module, pixels: npt.NDArray[np.uint8]) -> BranchOutput:
    """Return the embeddings and logits of shrunk images ``(n, side, side, 3)``."""
    model.eval()
    parts = (pixels[start : start + _EVAL_BATCH] for start in range(0, len(pixels), _EVAL_BATCH))
    return BranchOutput.gather([model(laid_out(torch.from_numpy(scene_input(part)), model)) for part in parts])
