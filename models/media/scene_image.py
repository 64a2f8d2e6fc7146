"""Whole images as the scene extractor sees them (paper, section 3.2.3)."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

SCENE_SIZE: Final = 160  # what is where can be told; the paper's 224 would cost twice as much for each of 15 images
_EPS: Final = 1e-3

Image = npt.NDArray[np.uint8]


def shrink_scene(image: Image) -> Image:
    """Return a ``(height, width, 3)`` RGB image as ``(160, 160, 3)``, whatever its proportions were."""
    small = cv2.resize(image, (SCENE_SIZE, SCENE_SIZE), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def scene_input(scenes: Image) -> npt.NDArray[np.float32]:
    """Turn shrunk images into the extractor's input; each is standardised, which takes out exposure.

    Shape:
        input ``(batch, 160, 160, 3)`` in 0..255; output ``(batch, 3, 160, 160)`` float32.
    """
    pixels = scenes.astype(np.float32)
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    deviation = pixels.std(axis=(1, 2, 3), ddof=1, keepdims=True)
    standard = (pixels - mean) / (deviation + np.float32(_EPS))
    return np.ascontiguousarray(standard.transpose(0, 3, 1, 2))
