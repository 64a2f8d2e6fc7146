"""In which pictures faces are searched for, and in which they are followed: pure, grey pictures in, decisions out.

Searching a whole picture is most of what faces cost. Between two searches only faces already known are seen, so a
search is due every few pictures, at a cut, and while no face is known.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

THUMBNAIL: Final = (32, 18)
CUT: Final = 20.0  # grey levels of 255 by which two pictures differ on average: a head that moves stays below


def difference(one: Grey, other: Grey) -> float:
    """Return by how many grey levels two ``(height, width)`` pictures of any size differ on average, made tiny."""
    tiny = [cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.int16) for picture in (one, other)]
    return float(np.abs(tiny[0] - tiny[1]).mean())


class DetectionPlan:
    """Counts the pictures since the last search.

    Args:
        every: search in one of so many pictures at least; 1 searches in each.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._followed = 0

    def searches(self, before: Grey, now: Grey, faces: int) -> bool:
        """Return whether to search the picture, given the one before it and how many faces that had."""
        return (
            faces == 0
            or self._followed + 1 >= self._every
            or before.shape != now.shape
            or difference(before, now) > CUT
        )

    def searched(self) -> None:
        """Note that the whole picture was searched."""
        self._followed = 0

    def followed(self) -> None:
        """Note that the known faces were followed instead."""
        self._followed += 1
