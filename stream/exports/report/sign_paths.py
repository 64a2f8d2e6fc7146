"""The signs of the emotions as SVG paths, for the report and the pages (web/signs.js is made of them)."""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Final

from stream.signs import NOT_SURE_SIGN, SIGNS, STROKE, Arc, Box, Dot, Grin, Line, Shape


@dataclass(frozen=True, slots=True)
class Paths:
    """The features of a face, as ``d`` of SVG paths: what is stroked and what is filled."""

    strokes: str
    solids: str


def _n(value: float) -> str:
    return f"{round(value, 3) + 0.0:g}"


def _ellipse(box: Box, inset: float = 0.0) -> tuple[float, float, float, float]:
    """Return the middle and the radii of the ellipse in a box."""
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2, (right - left) / 2 - inset, (bottom - top) / 2 - inset


def _arc(box: Box, start: float, end: float, inset: float = 0.0) -> str:
    x, y, across, down = _ellipse(box, inset)
    (x0, y0), (x1, y1) = ((x + across * cos(radians(angle)), y + down * sin(radians(angle))) for angle in (start, end))
    return f"M{_n(x0)} {_n(y0)}A{_n(across)} {_n(down)} 0 0 1 {_n(x1)} {_n(y1)}"


def _dot(box: Box) -> str:
    x, y, across, down = _ellipse(box)
    half = f"a{_n(across)} {_n(down)} 0 1 0"
    return f"M{_n(x - across)} {_n(y)}{half} {_n(2 * across)} 0{half} {_n(-2 * across)} 0z"


def _path(shape: Shape) -> str:
    match shape:
        case Line(points):
            return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        case Arc(box, start, end):
            return _arc(box, start, end, STROKE / 2)
        case Dot(box):
            return _dot(box)
        case Grin(box):
            return f"{_arc(box, 0, 180)}z"


def _paths(shapes: tuple[Shape, ...]) -> Paths:
    strokes = "".join(_path(shape) for shape in shapes if isinstance(shape, Line | Arc))
    return Paths(strokes, "".join(_path(shape) for shape in shapes if isinstance(shape, Dot | Grin)))


SIGN_PATHS: Final[dict[str, Paths]] = {label: _paths(shapes) for label, shapes in SIGNS.items()}
NOT_SURE_PATHS: Final = _paths(NOT_SURE_SIGN)
