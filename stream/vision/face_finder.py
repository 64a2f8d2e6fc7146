"""The faces of one participant's frames in a row: searched for now and then, followed in between."""

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from models.media.geometry import Box
from models.networks.faces import Detection
from stream.media import Image
from stream.vision.optical_flow import follow

_WIDTH: Final = 480  # of the frames in which faces are followed


Grey = npt.NDArray[np.uint8]

THUMBNAIL: Final = (32, 18)
CUT: Final = 20.0  # grey levels of 255 by which two frames differ on average: a head that moves stays below


def difference(one: Grey, other: Grey) -> float:
    """Return by how many grey levels two ``(height, width)`` frames of any size differ on average, made tiny."""
    tiny = [cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.int16) for frame in (one, other)]
    return float(np.abs(tiny[0] - tiny[1]).mean())


class DetectionPlan:
    """Counts the frames since the last search.

    Args:
        every: search in one of so many frames at least; 1 searches in each.
        eager: search also wherever the frame before had no face, so that whoever comes is seen at once.
    """

    def __init__(self, every: int, *, eager: bool = True) -> None:
        self._every, self._eager = every, eager
        self._followed = 0

    def searches(self, before: Grey, now: Grey, faces: int) -> bool:
        """Return whether to search the frame, given the one before it and how many faces that had."""
        return (
            (self._eager and faces == 0)
            or self._followed + 1 >= self._every
            or before.shape != now.shape
            or difference(before, now) > CUT
        )

    def searched(self) -> None:
        """Note that the whole frame was searched."""
        self._followed = 0

    def followed(self) -> None:
        """Note that the known faces were followed instead."""
        self._followed += 1


class Detector(Protocol):
    """What finds faces: :class:`models.networks.faces.FaceDetector`."""

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of an RGB frame."""


@dataclass(frozen=True)
class Found:
    """The faces of a frame, in its pixels; ``followed`` if the frame was not searched for others."""

    boxes: list[Box]
    followed: bool


@dataclass(frozen=True, eq=False)
class _Seen:
    """The frame before, small and grey, and its faces in the pixels of the whole frame."""

    grey: Grey
    boxes: list[Box]


class FaceFinder:
    """Finds the faces of each frame, given in order of time.

    Args:
        every: search in one of so many frames at least; 1 searches in each.
        eager: search also wherever the frame before had no face.
    """

    def __init__(self, detector: Detector, every: int, *, eager: bool = True) -> None:
        self._detector = detector
        self._plan = DetectionPlan(every, eager=eager)
        self._follows = every > 1
        self._before: _Seen | None = None

    def find(self, image: Image) -> Found:
        """Return the faces of an RGB frame ``(height, width, 3)``."""
        if not self._follows:
            return Found(self._search(image), followed=False)
        grey = small_grey(image)
        before, self._before = self._before, None  # a search that fails leaves nothing to follow
        boxes = None if before is None else self._follow(before, grey, grey.shape[1] / image.shape[1])
        found = Found(self._search(image) if boxes is None else boxes, followed=boxes is not None)
        self._before = _Seen(grey, found.boxes)
        return found

    def forget(self) -> None:
        """Follow nothing into the next frame, which will be searched: what became of this one is not kept."""
        self._before = None

    def _search(self, image: Image) -> list[Box]:
        boxes = [face.box for face in self._detector.detect(image)]
        self._plan.searched()
        return boxes

    def _follow(self, before: _Seen, now: Grey, scale: float) -> list[Box] | None:
        """Return where the faces went, None if the frame must be searched."""
        if self._plan.searches(before.grey, now, len(before.boxes)):
            return None
        followed = [follow(before.grey, now, box.scaled(scale)) for box in before.boxes]
        sure = [box for box in followed if box is not None]
        if len(sure) < len(followed):
            return None
        self._plan.followed()
        return [box.scaled(1 / scale) for box in sure]


def small_grey(image: Image) -> Grey:
    """Return an RGB frame ``(height, width, 3)`` in grey, at most 480 wide."""
    scale = min(1.0, _WIDTH / image.shape[1])
    small = image if scale == 1.0 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
