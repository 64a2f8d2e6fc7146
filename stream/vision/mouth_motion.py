"""How mouths move from one frame to the next: pure, by the optical flow in the box of a face.

What the whole face does is taken out: the mouth's motion counts against that of eyes and nose. All lengths are in
sides of the face's square, so that near and far faces compare.

The flow is that of Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion" (2003), as in OpenCV.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.geometry import Box

Image = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE: Final = 48
"""Pixels a side of the patches that are compared."""

_Part = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class MouthMotion:
    """What a mouth did from one media time to another.

    Attributes:
        opening: how far the lower lip went away from the upper; negative where the mouth closed.
        amount: how far all of it went on average, whichever way, against the rest of the face.
    """

    start_ms: float
    end_ms: float
    opening: float
    amount: float


def _part(top: float, bottom: float, left: float, right: float) -> _Part:
    """Return a part of a patch, given in shares of its side."""
    rows, columns = (top, bottom), (left, right)
    first, second = (slice(*(round(share * SIDE) for share in shares)) for shares in (rows, columns))
    return first, second


# Where things are in a box as MTCNN draws it, which goes from the forehead to below the chin.
_FACE: Final = _part(0.17, 0.58, 0.25, 0.75)
_MOUTH: Final = _part(0.62, 0.96, 0.29, 0.71)
_UPPER_LIP: Final = _part(0.65, 0.75, 0.35, 0.65)
_LOWER_LIP: Final = _part(0.77, 0.90, 0.375, 0.625)


def face_patch(image: Image, box: Box) -> Grey:
    """Return the ``(48, 48)`` grey square around a face, edges repeated where it leaves the image.

    Args:
        image: ``(height, width, 3)`` RGB.
        box: in its pixels.
    """
    side = max(box.width, box.height, 2.0)
    left, top = (box.left + box.right - side) / 2, (box.top + box.bottom - side) / 2
    rows, columns = _covered(top, side, image.shape[0]), _covered(left, side, image.shape[1])
    grey = cv2.cvtColor(np.ascontiguousarray(image[rows, columns]), cv2.COLOR_RGB2GRAY)
    scale = SIDE / side
    move = np.array([[scale, 0, (columns.start - left) * scale], [0, scale, (rows.start - top) * scale]], np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    patch = cv2.warpAffine(grey, move, (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return patch.astype(np.uint8, copy=False)


def _covered(first: float, side: float, length: int) -> slice:
    """Return which pixels of a line of the image are in the square, one at least."""
    start = min(max(0, int(first) - 1), length - 1)
    return slice(start, min(max(start + 1, int(first + side) + 2), length))


def mouth_motion(before: Grey, now: Grey, start_ms: float, end_ms: float) -> MouthMotion:
    """Return how the mouth moved between two patches of one face, cut from one place of both frames."""
    flow = _flow(before, now) / np.float32(SIDE)
    return MouthMotion(
        start_ms,
        end_ms,
        opening=_downwards(flow, _LOWER_LIP) - _downwards(flow, _UPPER_LIP),
        amount=float(np.abs(flow[_MOUTH] - np.median(flow[_FACE], axis=(0, 1))).mean()),
    )


def _flow(before: Grey, now: Grey) -> Floats:
    """Return where each pixel went, ``(48, 48, 2)``: right and down, in pixels."""
    nowhere = np.zeros((SIDE, SIDE, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(
        before, now, nowhere, pyr_scale=0.5, levels=2, winsize=7, iterations=2, poly_n=5, poly_sigma=1.1, flags=0
    )
    return flow.astype(np.float32, copy=False)


def _downwards(flow: Floats, part: _Part) -> float:
    return float(flow[part][..., 1].mean())
