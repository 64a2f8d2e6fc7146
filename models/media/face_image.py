"""Face crops as the visual extractor sees them: grey, 48 x 48, whatever camera they come from."""

from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

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


def face_input(faces: npt.NDArray[np.number], size: int = INPUT_SIZE) -> npt.NDArray[np.float32]:
    """Turn grey faces into the extractor's input.

    Each face is standardised, which takes out exposure and skin tone, enlarged, and smoothed where that shrinks it
    again; both are linear, in height as in width.

    Args:
        faces: ``(batch, 48, 48)`` in 0..255.
        size: in pixels, what the extractor was trained on; the bundle tells it.

    Shape:
        output ``(batch, 3, size, size)`` float32.
    """
    pixels = faces.astype(np.float32)
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    deviation = pixels.std(axis=(1, 2), ddof=1, keepdims=True)
    scale = _scaling(size)
    seen = scale @ ((pixels - mean) / (deviation + np.float32(_EPS))) @ scale.T
    return np.repeat(seen[:, None], 3, axis=1)


@cache
def _scaling(size: int) -> npt.NDArray[np.float32]:
    """Return ``(size, 48)``: from the pixels of a face's row to those of the input's."""
    side = max(size, INPUT_SIZE)
    enlarged = _interpolation(FACE_SIZE, side)
    return (enlarged if size == side else _interpolation(side, size) @ enlarged).astype(np.float32)


def _interpolation(given: int, wanted: int) -> npt.NDArray[np.float64]:
    """Return ``(wanted, given)``: linear interpolation, over as many pixels as become one where that is several."""
    step = given / wanted
    reach = max(1.0, step)
    centres = (np.arange(wanted) + 0.5) * step - 0.5
    apart = np.arange(given)[None] - (centres if step > 1 else centres.clip(0, given - 1))[:, None]
    weights = np.maximum(0.0, 1 - np.abs(apart) / reach)
    shares: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
