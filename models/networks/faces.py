"""The weighted face model (paper, section 3.2.3): detect, embed, weigh by area, keep the maximum over time.

Faces are found by MTCNN: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks" (2016), with the weights of facenet-pytorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.face_settings import FaceSettings
from models.media.geometry import Box
from models.networks.mtcnn import DetectionNetworks, find_faces

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FRAMES_PER_UTTERANCE: Final = 15


@dataclass(frozen=True)
class Detection:
    """One face found in an image."""

    box: Box
    confidence: float


class FaceDetector:
    """MTCNN with facenet-pytorch's weights; as safe to call from several threads as what computes its networks.

    Args:
        faces: which ones are looked for.
        networks: compute the three networks, those of a runtime or of :mod:`models.networks.mtcnn_networks`.
    """

    def __init__(self, faces: FaceSettings, networks: DetectionNetworks) -> None:
        self._faces, self._networks = faces, networks

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
        faces = find_faces(np.stack(small), self._networks, self._faces.min_face)
        return [self._sure(*found, scale) for found in faces]

    def _sure(self, boxes: Floats, confidences: Floats, scale: float) -> list[Detection]:
        found = [
            Detection(Box(*(float(edge) / scale for edge in box)), float(confidence))
            for box, confidence in zip(boxes, confidences, strict=True)
            if confidence >= self._faces.min_confidence
        ]
        return sorted(found, key=lambda face: -face.box.area)[: self._faces.max_faces]


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
