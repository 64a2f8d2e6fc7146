"""The plates with words: what was said and how, and the expression above a face. Drawn with Pillow, cached by content.

Shapes are drawn three times as large and shrunk, because Pillow draws their edges hard; text is drawn as it is.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from stream.media import Image
from stream.overlay.fonts import font_for
from stream.overlay.look import Element
from stream.overlay.signs import INK, Colour, draw_sign, tone
from stream.overlay.view import ShownUtterance
from stream.overlay.wrapping import cut_end, last_lines, plain
from wire.events import NOT_SURE

PLATE: Final = (*INK, 212)
TEXT: Final[Colour] = (0xFF, 0xFF, 0xFF)
SOFT: Final[Colour] = (0xC3, 0xCC, 0xD9)
TRACK: Final[Colour] = (0x2E, 0x37, 0x45)
_SHARP: Final = 3
_NEW_LINES: Final = 2  # of the newest utterance; the one before has one
_NARROW_EM: Final = 9  # a narrower column of words goes below its emotion instead of beside it


@dataclass
class _Sheet:
    """What is to be drawn, in pixels; ``width`` and ``height`` grow with it."""

    size: int
    width: float = 0.0
    height: float = 0.0
    texts: list[tuple[float, float, str, int, Colour]] = field(default_factory=list)
    signs: list[tuple[float, float, float, str | None, bool]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float, Colour]] = field(default_factory=list)

    def text(self, x: float, middle: float, words: str, size: int, colour: Colour = TEXT) -> None:
        """Write a line whose middle is at ``middle``."""
        self.texts.append((x, middle, words, size, colour))
        self.width = max(self.width, x + text_width(words, size))

    def sign(self, x: float, middle: float, radius: float, label: str | None, *, provisional: bool) -> None:
        """Draw the sign of an emotion from ``x`` on."""
        self.signs.append((x + radius, middle, radius, label, provisional))
        self.width = max(self.width, x + 2 * radius)

    def bar(self, x: float, top: float, width: float, height: float, colour: Colour) -> None:
        """Draw a bar."""
        self.bars.append((x, top, width, height, colour))
        self.width = max(self.width, x + width)


def text_width(words: str, size: int) -> float:
    """Return how wide a line of text is, in pixels."""
    return font_for(words, size).getlength(words) if words else 0.0


def emotion_words(row: ShownUtterance) -> str:
    """Return the emotion of an utterance in words: "maybe" while it may be taken back, nothing while unknown."""
    if row.label is None:
        return ""
    return f"maybe {row.label}" if row.provisional and row.label != NOT_SURE else row.label


@lru_cache(maxsize=32)
def render_card(
    rows: tuple[ShownUtterance, ...],
    bars: tuple[tuple[str, float], ...],
    show: frozenset[Element],
    size: int,
    max_width: int,
) -> Image | None:
    """Return the card as ``(height, width, 4)`` RGBA, at most ``max_width`` wide; None when nothing is to be shown."""
    stripe, pad = max(2, round(size * 0.2)), round(size * 0.5)
    sheet = _Sheet(size)
    room = max_width - stripe - 2 * pad
    if not rows or room < size:
        return None
    rows = tuple(replace(row, speaker=plain(row.speaker), text=plain(row.text)) for row in rows)
    if "name" in show and rows[-1].speaker:
        _put_name(sheet, rows[-1].speaker, room)
    if {"emotion", "transcript"} & show:
        _put_rows(sheet, rows, show, room)
    if "bars" in show and bars:
        _put_bars(sheet, bars, room)
    if not sheet.height:
        return None
    newest = next((row for row in reversed(rows) if row.label is not None), rows[-1])
    return _drawn(sheet, stripe, pad, newest if "emotion" in show else None)


@lru_cache(maxsize=64)
def render_face_label(label: str, size: int, max_width: int) -> Image | None:
    """Return the plate with an expression as RGBA; None when not even its sign fits."""
    sheet = _Sheet(size, height=size * 1.35)
    radius, pad = size * 0.55, round(size * 0.3)
    room = max_width - 2 * pad
    if 2 * radius > room:
        return None
    sheet.sign(0, sheet.height / 2, radius, label, provisional=False)
    words = cut_end(label, room - 2.6 * radius, lambda text: text_width(text, size))
    if words:
        sheet.text(2.6 * radius, sheet.height / 2, words, size)
    return _drawn(sheet, 0, pad, None, pad_y=round(size * 0.1))


def _put_name(sheet: _Sheet, name: str, room: float) -> None:
    small = max(8, round(sheet.size * 0.8))
    line = small * 1.5
    sheet.text(0, line / 2, cut_end(name, room, lambda text: text_width(text, small)), small, SOFT)
    sheet.height = line


def _put_rows(sheet: _Sheet, rows: tuple[ShownUtterance, ...], show: frozenset[Element], room: float) -> None:
    size, line = sheet.size, sheet.size * 1.4
    radius = size * 0.6
    label_x = 2 * radius + size * 0.35
    beside = label_x + max(text_width(emotion_words(row), size) for row in rows) + size * 0.7
    has_emotion, has_words = "emotion" in show, "transcript" in show
    below = has_emotion and room - beside < _NARROW_EM * size
    text_x = beside if has_emotion and not below else 0.0
    for row in rows:
        middle = sheet.height + line / 2
        if has_emotion:
            sheet.sign(0, middle, radius, row.label, provisional=row.provisional)
            words = cut_end(emotion_words(row), room - label_x, lambda text: text_width(text, size))
            sheet.text(label_x, middle, words, size, SOFT if row.provisional else tone_text(row.label))
        lines = _words(row, room - text_x, size, newest=row is rows[-1]) if has_words else []
        first = sheet.height + (line if below and lines else 0)
        for number, words in enumerate(lines):
            sheet.text(text_x, first + line * (number + 0.5), words, size, SOFT if row is not rows[-1] else TEXT)
        sheet.height = max(first + line * len(lines), sheet.height + (line if has_emotion else 0))


def _words(row: ShownUtterance, width: float, size: int, *, newest: bool) -> list[str]:
    def width_of(text: str) -> float:
        return text_width(text, size)

    if newest:
        return last_lines(row.text, _NEW_LINES, width, width_of)
    return [cut_end(row.text, width, width_of)] if row.text else []


def tone_text(label: str | None) -> Colour:
    """Return an emotion's colour, lighter, so that it can be read as text on the plate."""
    red, green, blue = (round(part + (255 - part) * 0.4) for part in tone(label))
    return red, green, blue


def _put_bars(sheet: _Sheet, bars: tuple[tuple[str, float], ...], room: float) -> None:
    size = sheet.size
    step = min(size * 1.9, room / len(bars))
    width, track = step * 0.74, size * 1.1
    top = sheet.height + size * 0.3
    for number, (label, probability) in enumerate(bars):
        x, height = number * step, max(2.0, track * min(1.0, max(0.0, probability)))
        sheet.bar(x, top, width, track, TRACK)
        sheet.bar(x, top + track - height, width, height, tone(label))
        radius = min(size * 0.42, width / 2)
        sheet.sign(x + width / 2 - radius, top + track + size * 0.62, radius, label, provisional=False)
    sheet.height = top + track + size * 1.15


def _drawn(sheet: _Sheet, stripe: int, pad: int, row: ShownUtterance | None, pad_y: int | None = None) -> Image:
    """Return the sheet on its plate, with a stripe in the colour of ``row``'s emotion; broken if provisional."""
    left, top = stripe + pad, pad if pad_y is None else pad_y
    size = round(left + sheet.width + pad), round(top * 2 + sheet.height)
    large = Pillow.new("RGBA", (size[0] * _SHARP, size[1] * _SHARP))
    draw = ImageDraw.Draw(large)
    draw.rounded_rectangle((0, 0, large.width - 1, large.height - 1), sheet.size * 0.4 * _SHARP, fill=PLATE)
    if row is not None:
        _draw_stripe(draw, stripe * _SHARP, large.height, sheet.size * _SHARP, row)
    for x, y, width, height, colour in sheet.bars:
        box = (left + x, top + y, left + x + width, top + y + height)
        draw.rectangle([part * _SHARP for part in box], fill=colour)
    for x, y, radius, label, provisional in sheet.signs:
        centre = (left + x) * _SHARP, (top + y) * _SHARP
        draw_sign(draw, centre, radius * _SHARP, label, provisional=provisional)
    plate = large.resize(size, Pillow.Resampling.LANCZOS)
    draw = ImageDraw.Draw(plate)
    for x, y, words, height, colour in sheet.texts:
        draw.text((left + x, top + y), words, fill=colour, font=font_for(words, height), anchor="lm")
    return np.asarray(plate)


def _draw_stripe(draw: ImageDraw.ImageDraw, width: int, height: int, size: int, row: ShownUtterance) -> None:
    margin = round(size * 0.35)
    dash = size * 0.3 if row.provisional or row.label is None else height
    y = float(margin)
    while y < height - margin:
        end = min(y + dash, height - margin)
        draw.rounded_rectangle((width * 0.6, y, width * 1.6, end), min(width / 2, (end - y) / 2), fill=tone(row.label))
        y += dash * 1.7
