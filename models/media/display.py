"""Decoded images as a player shows them: their pixels made square, turned and mirrored as is asked. Done once, here.

How pixels are to be shown stands in the container or in the codec's own data (sample aspect ratio), which way up in a
display matrix; players apply the first, then the second.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideDataType

Image = npt.NDArray[np.uint8]

_MATRIX_BYTES: Final = 36
_FIXED_POINT: Final = float(1 << 16)
_ALMOST_SQUARE: Final = 0.01  # rounded sizes make such aspects; nobody sees them
_MOST_OBLONG: Final = 16  # what says more is wrong
_LONGEST_SIDE: Final = 8_192  # made square by shrinking the other side if it became longer by it


def _unknown_side_data(value: object) -> Any:  # noqa: ANN401 - a member made by hand
    """Return a member for a kind of side data that PyAV has no name for, such as EXIF."""
    member: Any = object.__new__(SideDataType)
    member._name_, member._value_ = f"UNKNOWN_{value}", value
    return member


# Without it one kind unknown to PyAV, which each photograph has, keeps all others from being read.
SideDataType._missing_ = staticmethod(_unknown_side_data)  # type: ignore[method-assign]


class Display:
    """Makes the images of a stream, or of a file of one image, what is to be seen."""

    def __init__(self, stream: av.VideoStream) -> None:
        """``stream`` is of an open container, before the first image is decoded."""
        self._stream = stream
        # What a container says holds for all; what the codec says may change with any image.
        self._fixed = _said(stream.sample_aspect_ratio)
        if self._fixed == _said(stream.codec_context.sample_aspect_ratio):
            self._fixed = None

    def rgb(self, frame: av.VideoFrame) -> Image:
        """Return an image just decoded: ``(height, width, 3)`` uint8, upright, of square pixels."""
        aspect = self._fixed or _said(self._stream.codec_context.sample_aspect_ratio)
        width, height = square_size(frame.width, frame.height, aspect)
        image = np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
        return upright(image, display_matrix(frame))


def _said(aspect: Fraction | None) -> Fraction | None:
    """Return a sample aspect ratio, None where none is said."""
    return aspect or None


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Return the size of an image whose pixels, ``aspect`` times as wide as high, are made square.

    The side that is too short is stretched, unless it would become very long; an aspect that can't be is passed over.
    """
    if aspect is None or not 1 / _MOST_OBLONG <= aspect <= _MOST_OBLONG or abs(aspect - 1) < _ALMOST_SQUARE:
        return width, height
    stretched = (width * aspect, Fraction(height)) if aspect > 1 else (Fraction(width), height / aspect)
    shrunk = (Fraction(width), height / aspect) if aspect > 1 else (width * aspect, Fraction(height))
    chosen = stretched if max(stretched) <= _LONGEST_SIDE else shrunk
    return max(1, round(chosen[0])), max(1, round(chosen[1]))


def display_matrix(frame: av.VideoFrame) -> npt.NDArray[np.float64] | None:
    """Return the linear part of a frame's display matrix, ``(2, 2)``: where a step right and one down lead to.

    None where there is none, or one that would make the image vanish.
    """
    said: Mapping[str, Any] = frame.side_data
    found = said.get("DISPLAYMATRIX")
    if found is None or found.buffer_size != _MATRIX_BYTES:
        return None
    matrix = np.frombuffer(bytes(found), np.int32).reshape(3, 3)[:2, :2] / _FIXED_POINT
    return matrix if np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1 / _FIXED_POINT else None


def upright(image: Image, matrix: npt.NDArray[np.float64] | None) -> Image:
    """Return an image mirrored and turned by quarters as ``matrix`` asks, as near as these come to it."""
    if matrix is not None:
        right, down = matrix
        if np.linalg.det(matrix) < 0:
            image, right = image[:, ::-1], -right
        clockwise = math.atan2(right[1] - down[0], right[0] + down[1])
        image = np.rot90(image, -round(clockwise / (math.pi / 2)) % 4)
    return np.ascontiguousarray(image)
