"""Faces and scene of an utterance's images (paper, section 3.2.3), as the live pipeline has them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.media.display import Image
from models.media.face_image import crop_face, face_input
from models.media.geometry import Box
from models.media.scene_image import scene_input, shrink_scene
from models.networks.extractor import EmotionExtractor
from models.networks.faces import FaceDetector, over_frames, weighted_faces
from trainer.features.cache import row
from trainer.fit.cache import Arrays
from trainer.fit.devices import device_of
from trainer.fit.outputs import BranchOutput, Floats

_BATCH: Final = 128


def face_row(frames: Sequence[Image], detector: FaceDetector, network: EmotionExtractor) -> Arrays | None:
    """Return the maximum over the images of each one's faces, weighted by their share of the area.

    The logits are the mean over the images, weighted alike within them. An image without a face adds nothing;
    without any face the result is None.
    """
    boxes = [[face.box for face in found] for found in detector.detect_all(frames)]
    crops = [crop_face(frame, box) for frame, found in zip(frames, boxes, strict=True) for box in found]
    if not crops:
        return None
    seen = run_network(network, torch.from_numpy(face_input(np.stack(crops), network.size)))
    by_frame = _weighted(seen.embeddings, boxes), _weighted(seen.logits, boxes)
    return row(over_frames(by_frame[0]), np.mean(by_frame[1], axis=0))


def scene_row(frames: Sequence[Image], network: nn.Module) -> Arrays | None:
    """Return the maximum over the whole images, and the mean of their logits; None without images."""
    if not frames:
        return None
    seen = run_network(network, torch.from_numpy(scene_input(np.stack([shrink_scene(frame) for frame in frames]))))
    return row(over_frames(list(seen.embeddings)), seen.logits.mean(axis=0))


def _weighted(values: Floats, boxes: Sequence[Sequence[Box]]) -> list[Floats]:
    """Return one vector for each image that has faces."""
    pieces = np.split(values, np.cumsum([len(found) for found in boxes])[:-1])
    return [weighted_faces(list(piece), found) for piece, found in zip(pieces, boxes, strict=True) if found]


@torch.inference_mode()
def run_network(network: nn.Module, inputs: Tensor) -> BranchOutput:
    """Return what a branch says of a batch of any size, on the device its weights are on."""
    network.eval()
    device = device_of(network)
    return BranchOutput.gather([network(part.to(device)) for part in torch.split(inputs, _BATCH)])
