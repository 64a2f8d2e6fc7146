"""The sign of each emotion, drawn with Pillow, so that nobody has to tell emotions by their colour."""

from typing import Final

from PIL import ImageDraw

from stream.signs import NOT_SURE_SIGN, SIGNS, STROKE, Arc, Box, Dot, Grin, Line, Shape
from wire.events import NOT_SURE

Colour = tuple[int, int, int]

TONES: Final[dict[str, Colour]] = {  # those of web/style.css on dark ground
    "neutral": (0x8D, 0x99, 0xAD),
    "surprise": (0x2F, 0xB9, 0xC0),
    "fear": (0xA5, 0x85, 0xF0),
    "sadness": (0x5F, 0x97, 0xF5),
    "joy": (0xE0, 0xA9, 0x2E),
    "disgust": (0x7D, 0xB5, 0x44),
    "anger": (0xF0, 0x64, 0x5D),
}
WAITING: Final[Colour] = (0xA3, 0xAF, 0xC0)
INK: Final[Colour] = (0x0C, 0x10, 0x16)

_DASHES: Final = 8
_DRAWN: Final = {**SIGNS, NOT_SURE: NOT_SURE_SIGN}


def tone(label: str | None) -> Colour:
    """Return the colour of an emotion, a grey for one that isn't known."""
    return TONES.get(label or "", WAITING)


class _Face:
    """Draws what :mod:`stream.signs` tells, around a middle, in the size of a radius."""

    def __init__(self, draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, ink: Colour) -> None:
        self._draw, (self._x, self._y), self._radius, self._ink = draw, centre, radius, ink
        self._width = _stroke(radius)

    def add(self, shape: Shape) -> None:
        match shape:
            case Line(points):
                ends = [self._at(*point) for point in points]
                self._draw.line(ends, fill=self._ink, width=self._width, joint="curve")
            case Arc(box, start, end):
                self._draw.arc(self._box(box), start, end, fill=self._ink, width=self._width)
            case Dot(box):
                self._draw.ellipse(self._box(box), fill=self._ink)
            case Grin(box):
                self._draw.chord(self._box(box), 0, 180, fill=self._ink)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._x + x * self._radius, self._y + y * self._radius

    def _box(self, box: Box) -> Box:
        return (*self._at(box[0], box[1]), *self._at(box[2], box[3]))


def _stroke(radius: float) -> int:
    return max(1, round(radius * STROKE))


def draw_sign(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, label: str | None, *, provisional: bool
) -> None:
    """Draw the face of an emotion, or a question mark for what is not sure.

    A provisional one is hollow with a broken rim, an unknown one three dots.
    """
    colour = tone(label)
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    if label is None:
        for step in (-0.55, 0, 0.55):
            middle, dot = x + step * radius, radius * 0.16
            draw.ellipse((middle - dot, y - dot, middle + dot, y + dot), fill=colour)
        return
    if provisional:
        for dash in range(_DASHES):
            start = dash * 360 / _DASHES
            draw.arc(box, start, start + 0.6 * 360 / _DASHES, fill=colour, width=_stroke(radius))
    else:
        draw.ellipse(box, fill=colour)
    face = _Face(draw, centre, radius, colour if provisional else INK)
    for shape in _DRAWN.get(label, ()):
        face.add(shape)
