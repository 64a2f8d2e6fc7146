"""The sign of each emotion, drawn: a face of its own, so that nobody has to tell emotions by their colour.

Drawn because the emoji of the pages are in no font that comes with the program.
"""

from collections.abc import Callable
from typing import Final

from PIL import ImageDraw

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


def tone(label: str | None) -> Colour:
    """Return the colour of an emotion, a grey for one that isn't known."""
    return TONES.get(label or "", WAITING)


class _Face:
    """Draws in units of the radius, from the middle, ``y`` downward."""

    def __init__(self, draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, ink: Colour) -> None:
        self._draw, (self._x, self._y), self._radius, self._ink = draw, centre, radius, ink
        self._width = max(1, round(radius * 0.16))

    def line(self, *points: tuple[float, float]) -> None:
        self._draw.line([self._at(*point) for point in points], fill=self._ink, width=self._width, joint="curve")

    def arc(self, box: tuple[float, float, float, float], start: float, end: float) -> None:
        self._draw.arc(self._box(box), start, end, fill=self._ink, width=self._width)

    def dot(self, box: tuple[float, float, float, float]) -> None:
        self._draw.ellipse(self._box(box), fill=self._ink)

    def grin(self, box: tuple[float, float, float, float]) -> None:
        self._draw.chord(self._box(box), 0, 180, fill=self._ink)

    def eyes(self, height: float = 0.3, y: float = -0.25) -> None:
        for x in (-0.36, 0.36):
            self.dot((x - 0.12, y - height / 2, x + 0.12, y + height / 2))

    def brows(self, inner: float, outer: float) -> None:
        for side in (-1, 1):
            self.line((side * 0.54, outer), (side * 0.18, inner))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._x + x * self._radius, self._y + y * self._radius

    def _box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        return (*self._at(box[0], box[1]), *self._at(box[2], box[3]))


def _neutral(face: _Face) -> None:
    face.eyes()
    face.line((-0.42, 0.4), (0.42, 0.4))


def _surprise(face: _Face) -> None:
    face.eyes()
    face.brows(-0.62, -0.56)
    face.dot((-0.24, 0.14, 0.24, 0.74))


def _fear(face: _Face) -> None:
    face.eyes(0.42, -0.16)
    face.brows(-0.66, -0.44)
    face.line((-0.48, 0.5), (-0.24, 0.36), (0, 0.5), (0.24, 0.36), (0.48, 0.5))


def _sadness(face: _Face) -> None:
    face.eyes()
    face.arc((-0.44, 0.3, 0.44, 1.0), 200, 340)
    face.dot((0.3, 0.02, 0.52, 0.36))


def _joy(face: _Face) -> None:
    for x in (-0.36, 0.36):
        face.arc((x - 0.2, -0.42, x + 0.2, 0.0), 190, 350)
    face.grin((-0.56, -0.3, 0.56, 0.72))


def _disgust(face: _Face) -> None:
    for side in (-1, 1):
        face.line((side * 0.56, -0.42), (side * 0.2, -0.24), (side * 0.56, -0.08))
    face.arc((-0.44, 0.22, 0.44, 0.8), 200, 340)
    face.dot((0.04, 0.36, 0.34, 0.78))


def _anger(face: _Face) -> None:
    face.eyes(0.26, -0.12)
    face.brows(-0.26, -0.6)
    face.arc((-0.44, 0.3, 0.44, 0.9), 200, 340)


_FEATURES: Final[dict[str, Callable[[_Face], None]]] = {
    "neutral": _neutral,
    "surprise": _surprise,
    "fear": _fear,
    "sadness": _sadness,
    "joy": _joy,
    "disgust": _disgust,
    "anger": _anger,
}


def draw_sign(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, label: str | None, *, provisional: bool
) -> None:
    """Draw the face of an emotion; a provisional one is hollow with a broken rim, an unknown one three dots."""
    colour = tone(label)
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    if label is None:
        for step in (-0.55, 0, 0.55):
            middle, dot = x + step * radius, radius * 0.16
            draw.ellipse((middle - dot, y - dot, middle + dot, y + dot), fill=colour)
        return
    if provisional:
        rim = max(1, round(radius * 0.16))
        for dash in range(_DASHES):
            start = dash * 360 / _DASHES
            draw.arc(box, start, start + 0.6 * 360 / _DASHES, fill=colour, width=rim)
    else:
        draw.ellipse(box, fill=colour)
    if label in _FEATURES:
        _FEATURES[label](_Face(draw, centre, radius, colour if provisional else INK))
