"""Where faces went from one frame to the next: pure, by the optical flow of a grid of points in each box.

Each point is followed there and back; one that does not return to where it began is not believed. A face of which
too few points return, or which does not look like itself at its new place, is not followed but given up.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.geometry import Box

Grey = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

_GRID: Final = 10
_INSIDE: Final = 0.1  # of the box is left out on each side, where the background shows
_WINDOW: Final = (15, 15)
_LEVELS: Final = 3
_STOP: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
_RETURN_PX: Final = 1.0
_MIN_SHARE: Final = 0.3  # of the points
_PATCH: Final = (24, 24)
_MIN_LIKENESS: Final = 0.6  # correlation of the face with itself a moment before


def follow(before: Grey, now: Grey, box: Box) -> Box | None:
    """Return where the face in ``box`` of one frame is in the next, None if that is not sure.

    Shape:
        before, now: ``(height, width)``, of one size; the boxes are in their pixels.
    """
    start = _grid(box)
    end, there = _flow(before, now, start)
    back, again = _flow(now, before, end)
    sure = there & again & (np.linalg.norm(start - back, axis=1) <= _RETURN_PX)
    if sure.mean() < _MIN_SHARE:
        return None
    moved = _moved(box, start[sure], end[sure])
    return moved if _inside(moved, now) and _likeness(before, box, now, moved) >= _MIN_LIKENESS else None


def _grid(box: Box) -> Points:
    """Return points spread over a box, ``(points, 2)``."""
    shares = np.linspace(_INSIDE, 1 - _INSIDE, _GRID)
    x, y = np.meshgrid(box.left + shares * box.width, box.top + shares * box.height)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _flow(before: Grey, now: Grey, start: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Return where points went, ``(points, 2)``, and which were found, ``(points,)``."""
    nowhere = np.zeros_like(start)
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before, now, start, nowhere, winSize=_WINDOW, maxLevel=_LEVELS, criteria=_STOP
    )
    return end.astype(np.float32, copy=False), found.ravel() == 1


def _moved(box: Box, start: Points, end: Points) -> Box:
    """Return a box moved and scaled as most of its points are."""
    dx, dy = np.median(end - start, axis=0)
    one, other = np.triu_indices(len(start), 1)
    apart = np.linalg.norm(start[one] - start[other], axis=1)
    scale = float(np.median(np.linalg.norm(end[one] - end[other], axis=1) / apart))
    x, y = (box.left + box.right) / 2 + float(dx), (box.top + box.bottom) / 2 + float(dy)
    width, height = box.width * scale / 2, box.height * scale / 2
    return Box(x - width, y - height, x + width, y + height)


def _inside(box: Box, frame: Grey) -> bool:
    """Return whether the middle of a box is in the frame."""
    height, width = frame.shape
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return bool(0 <= x < width and 0 <= y < height)


def _likeness(before: Grey, box: Box, now: Grey, moved: Box) -> float:
    """Return the correlation of two faces, -1 to 1."""
    return float(cv2.matchTemplate(_patch(before, box), _patch(now, moved), cv2.TM_CCOEFF_NORMED)[0, 0])


def _patch(frame: Grey, box: Box) -> Grey:
    size = (max(2, round(box.width)), max(2, round(box.height)))
    middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    cut = cv2.getRectSubPix(frame, size, middle)
    return cv2.resize(cut, _PATCH, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
