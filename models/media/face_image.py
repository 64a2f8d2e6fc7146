"""Face crops as the visual extractor sees them: grey, 48 x 48, whatever camera they come from."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.media.geometry import Box

FACE_SIZE: Final = 48  # FER2013's size: what the extractor was trained on
INPUT_SIZE: Final = 96  # the default; ResNet18 divides by 32, so at 48 its last map would be 2 x 2
MIN_SIZE: Final = 32
_MARGIN: Final = -0.03  # on each side: MTCNN's boxes are a little taller than the faces that were learned from
_EPS: Final = 1e-3

Image = npt.NDArray[np.uint8]


def crop_face(image: Image, box: Box) -> Image:
    """Return the ``(48, 48)`` grey square around a face, edges repeated where it leaves the image.

    Args:
        image: ``(height, width, 3)`` RGB.
        box: in pixels.
    """
    side = max(box.width, box.height) * (1 + 2 * _MARGIN)
    centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    left, top = round(centre[0] - side / 2), round(centre[1] - side / 2)
    size = max(2, round(side))
    padded = _window(image, left, top, size)
    grey = cv2.cvtColor(padded, cv2.COLOR_RGB2GRAY)
    resized = cv2.resize(grey, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)


def _window(image: Image, left: int, top: int, size: int) -> Image:
    height, width = image.shape[:2]
    inside = image[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)]
    before = (max(0, -top), max(0, -left))
    after = (max(0, top + size - height), max(0, left + size - width))
    if not any((*before, *after)):
        return inside
    window = cv2.copyMakeBorder(inside, before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
    return window.astype(np.uint8, copy=False)


def face_input(faces: Tensor, size: int = INPUT_SIZE) -> Tensor:
    """Turn grey faces into the extractor's input.

    Each face is standardised, which takes out exposure and skin tone, and enlarged.

    Args:
        faces: ``(batch, 48, 48)`` in 0..255.
        size: in pixels, what the extractor was trained on; the bundle tells it.

    Shape:
        output ``(batch, 3, size, size)`` float32.
    """
    pixels = faces.to(torch.float32)
    mean = pixels.mean(dim=(1, 2), keepdim=True)
    deviation = pixels.std(dim=(1, 2), keepdim=True)
    standard = ((pixels - mean) / (deviation + _EPS)).unsqueeze(1)
    side = max(size, INPUT_SIZE)
    enlarged = functional.interpolate(standard, size=(side, side), mode="bilinear", align_corners=False)
    return resized(enlarged, size).expand(-1, 3, -1, -1)


def resized(images: Tensor, size: int) -> Tensor:
    """Return square images ``(batch, channels, …)`` of ``size`` pixels a side, smoothed where they shrink."""
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
