"""The sign of each emotion: a face of our own as plain geometry, for there are machines without a font of emoji.

Lengths are in units of the face's radius, from its middle, ``y`` downward; angles are degrees clockwise from the right.
Features are drawn on a disc, strokes :data:`STROKE` wide.
"""

from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]
Box = tuple[float, float, float, float]

STROKE: Final = 0.16


@dataclass(frozen=True, slots=True)
class Line:
    """A stroke through some points."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Arc:
    """A stroke along the inside of the ellipse in a box, from one angle to another less than 180 degrees on."""

    box: Box
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Dot:
    """The whole of the ellipse in a box, filled."""

    box: Box


@dataclass(frozen=True, slots=True)
class Grin:
    """The lower half of the ellipse in a box, filled."""

    box: Box


Shape = Line | Arc | Dot | Grin


def _video(height: float = 0.3, y: float = -0.25) -> tuple[Shape, ...]:
    return tuple(Dot((x - 0.12, y - height / 2, x + 0.12, y + height / 2)) for x in (-0.36, 0.36))


def _brows(inner: float, outer: float) -> tuple[Shape, ...]:
    return tuple(Line(((side * 0.54, outer), (side * 0.18, inner))) for side in (-1, 1))


SIGNS: Final[dict[str, tuple[Shape, ...]]] = {
    "neutral": (*_video(), Line(((-0.42, 0.4), (0.42, 0.4)))),
    "surprise": (*_video(), *_brows(-0.62, -0.56), Dot((-0.24, 0.14, 0.24, 0.74))),
    "fear": (
        *_video(0.42, -0.16),
        *_brows(-0.66, -0.44),
        Line(((-0.48, 0.5), (-0.24, 0.36), (0.0, 0.5), (0.24, 0.36), (0.48, 0.5))),
    ),
    "sadness": (*_video(), Arc((-0.44, 0.3, 0.44, 1.0), 200, 340), Dot((0.3, 0.02, 0.52, 0.36))),
    "joy": (
        *(Arc((x - 0.2, -0.42, x + 0.2, 0.0), 190, 350) for x in (-0.36, 0.36)),
        Grin((-0.56, -0.3, 0.56, 0.72)),
    ),
    "disgust": (
        *(Line(((side * 0.56, -0.42), (side * 0.2, -0.24), (side * 0.56, -0.08))) for side in (-1, 1)),
        Arc((-0.44, 0.22, 0.44, 0.8), 200, 340),
        Dot((0.04, 0.36, 0.34, 0.78)),
    ),
    "anger": (*_video(0.26, -0.12), *_brows(-0.26, -0.6), Arc((-0.44, 0.3, 0.44, 0.9), 200, 340)),
}
NOT_SURE_SIGN: Final[tuple[Shape, ...]] = (
    Arc((-0.42, -0.66, 0.42, 0.18), 175, 330),
    Arc((-0.42, -0.66, 0.42, 0.18), 330, 450),
    Line(((0.0, 0.1), (0.0, 0.3))),
    Dot((-0.12, 0.44, 0.12, 0.68)),
)
"""A question mark, for what is uncertain."""
