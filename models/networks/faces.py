"""The weighted face model (paper, section 3.2.3): detect, embed, weigh by area, keep the maximum over time.

Faces are found by MTCNN: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks" (2016), with the weights of facenet-pytorch.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
import torch
from facenet_pytorch import MTCNN
from torch import Tensor, nn

from models.face_settings import FaceSettings
from models.media.geometry import Box

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FRAMES_PER_UTTERANCE: Final = 15
_STAGE_THRESHOLDS: Final = (0.6, 0.7, 0.7)

DetectionName = Literal["pnet", "rnet", "onet"]
DETECTION: Final[tuple[DetectionName, ...]] = get_args(DetectionName)
"""MTCNN's three networks, each on its own: a proposal, a refinement and an output network."""

DetectionNetworks = Mapping[DetectionName, Callable[[Tensor], tuple[Tensor, ...]]]
"""What computes each network: ``(batch, 3, height, width)`` in, its outputs in the order it has them."""


def detection_networks() -> dict[DetectionName, nn.Module]:
    """Return the networks, in eval mode on the CPU; they take images of 12 pixels a side at least, 24 and 48."""
    whole = MTCNN(device="cpu")
    return {name: getattr(whole, name).eval() for name in DETECTION}


@dataclass(frozen=True)
class Detection:
    """One face found in an image."""

    box: Box
    confidence: float


class FaceDetector:
    """MTCNN with facenet-pytorch's weights; safe to call from several threads.

    Args:
        faces: which ones are looked for.
        device: where the images are prepared, and the networks run unless ``networks`` does it.
        networks: compute the three networks elsewhere; without them one call at a time runs.
    """

    def __init__(self, faces: FaceSettings, device: str = "cpu", networks: DetectionNetworks | None = None) -> None:
        thresholds = list(_STAGE_THRESHOLDS)
        self._network = MTCNN(min_face_size=faces.min_face, thresholds=thresholds, keep_all=True, device=device)
        self._faces = faces
        self._turn: AbstractContextManager[object] = nullcontext() if networks else threading.Lock()
        for name, run in (networks or {}).items():
            self._network.register_module(name, _Elsewhere(run))

    @property
    def network(self) -> nn.Module:
        """Return the networks within, for their weights."""
        found: nn.Module = self._network
        return found

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of an RGB image ``(height, width, 3)``, the largest first, boxes in its pixels."""
        return self.detect_all([image])[0]

    def detect_all(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of each image; those of one size are analyzed together."""
        if len({image.shape for image in images}) != 1:
            return [self.detect(image) for image in images]
        width = images[0].shape[1]
        scale = min(1.0, self._faces.width / width)
        small = images if scale == 1.0 else [_resized(image, scale) for image in images]
        with self._turn, torch.inference_mode():
            boxes, confidences = self._network.detect(np.stack(small))
        return [self._sure(*found, scale) for found in zip(boxes, confidences, strict=True)]

    def _sure(self, boxes: Floats | None, confidences: Sequence[float], scale: float) -> list[Detection]:
        if boxes is None:
            return []
        found = [
            Detection(Box(*(float(edge) / scale for edge in box)), float(confidence))
            for box, confidence in zip(boxes, confidences, strict=True)
            if confidence >= self._faces.min_confidence
        ]
        return sorted(found, key=lambda face: -face.box.area)[: self._faces.max_faces]


class _Elsewhere(nn.Module):
    """Stands where MTCNN has a network of its own; its parameter tells facenet-pytorch the type of the input."""

    def __init__(self, run: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self._run = run
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self._run(images)


def _resized(image: Image, scale: float) -> Image:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def evenly_spaced(start_ms: float, end_ms: float, count: int = FRAMES_PER_UTTERANCE) -> list[float]:
    """Return the middles of ``count`` equal parts of a stretch: when an utterance's images are looked at."""
    step = (end_ms - start_ms) / count
    return [start_ms + (index + 0.5) * step for index in range(count)]


def weighted_faces(embeddings: Sequence[Floats], boxes: Sequence[Box]) -> Floats:
    """Return the sum of one image's face embeddings ``(dim,)``, weighted by their share of the box area.

    Raises:
        ValueError: there is no face; an absent face is a mask, never a vector.
    """
    if not embeddings:
        message = "an image without faces has no face embedding"
        raise ValueError(message)
    areas = np.array([max(box.area, 1.0) for box in boxes], np.float32)
    total: Floats = (np.stack(embeddings) * (areas / areas.sum())[:, None]).sum(axis=0)
    return total


def over_frames(frames: Sequence[Floats]) -> Floats:
    """Return the element-wise maximum over the images of an utterance, ``(dim,)``."""
    strongest: Floats = np.stack(frames).max(axis=0)
    return strongest
