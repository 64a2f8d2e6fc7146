"""A frame and what is known, in; the frame with the overlay, out. Pure."""

from typing import Final

import cv2
import numpy as np

from stream.media import Image
from stream.overlay.card import render_card, render_face_label
from stream.overlay.look import SIZE_RANGE, Look
from stream.overlay.signs import INK, Colour, tone
from stream.overlay.view import ShownFace, View

_LINES_OF_TEXT: Final = 20  # text is so high that as many lines would fill the frame
_LEAST_SIZE: Final = 12
_WIDEST: Final = 0.92


def draw(image: Image, view: View, look: Look) -> Image:
    """Return a copy of an ``(height, width, 3)`` RGB frame with the overlay on it; of the same size."""
    drawn = image.copy()
    height, width = drawn.shape[:2]
    size = text_size(height, look)
    if "faces" in look.show:
        for face in view.faces:
            _draw_face(drawn, face, size)
    card = render_card(view.rows, view.bars, look.show, size, round(width * _WIDEST))
    if card is not None:
        _blend(drawn, card, *_corner(drawn, card, look, margin=round(size * 0.8)))
    for words in view.by_face:
        card = render_card(words.rows, words.bars, look.show, size, round(width * _WIDEST / len(view.faces)))
        if card is not None:
            _blend(drawn, card, *_below(drawn, card, words.face, margin=round(size * 0.4)))
    return drawn


def text_size(height: int, look: Look) -> int:
    """Return the height of the text in a frame that is so high, in pixels."""
    return look.size or min(SIZE_RANGE[1], max(_LEAST_SIZE, round(height / _LINES_OF_TEXT)))


def fitted(image: Image, width: int, height: int) -> Image:
    """Return a frame brought to a size, whole and undistorted, with black where it has another shape."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    shrunk = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    whole = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    whole[top : top + inner[1], left : left + inner[0]] = shrunk
    return whole


def _draw_face(image: Image, face: ShownFace, size: int) -> None:
    height, width = image.shape[:2]
    left, right = sorted(min(max(0, round(x)), width - 1) for x in (face.box[0], face.box[2]))
    top, bottom = sorted(min(max(0, round(y)), height - 1) for y in (face.box[1], face.box[3]))
    if right - left < 2 or bottom - top < 2:  # noqa: PLR2004 - nothing of it is in the frame
        return
    thick = max(2, round(size * (0.28 if face.speaking else 0.14)))
    _draw_corners(image, (left, top, right, bottom), INK, thick + 2)
    _draw_corners(image, (left, top, right, bottom), tone(face.label), thick)
    plate = None if face.label is None else render_face_label(face.label, max(_LEAST_SIZE, round(size * 0.9)), width)
    if plate is not None:
        above = top - plate.shape[0] - thick - 1
        _blend(image, plate, left, above if above >= 0 else top + thick + 1)


def _draw_corners(image: Image, box: tuple[int, int, int, int], colour: Colour, thick: int) -> None:
    left, top, right, bottom = box
    arm = max(2, round(min(right - left, bottom - top) * 0.22))
    for x, inward in ((left, arm), (right, -arm)):
        for y, down in ((top, arm), (bottom, -arm)):
            cv2.line(image, (x, y), (x + inward, y), colour, thick, cv2.LINE_AA)
            cv2.line(image, (x, y), (x, y + down), colour, thick, cv2.LINE_AA)


def _corner(image: Image, card: Image, look: Look, margin: int) -> tuple[int, int]:
    """Return where the card's left upper corner goes."""
    height, width = image.shape[:2]
    vertical, _, side = look.position.partition("-")
    left = {"left": margin, "right": width - card.shape[1] - margin}.get(side, (width - card.shape[1]) // 2)
    return left, margin if vertical == "top" else height - card.shape[0] - margin


def _below(image: Image, card: Image, face: ShownFace, margin: int) -> tuple[int, int]:
    """Return where the left upper corner of a card goes that belongs to a face: below it, else in its lower part."""
    left, _, right, bottom = face.box
    below = min(round(bottom) + margin, image.shape[0] - card.shape[0] - margin)
    return round((left + right - card.shape[1]) / 2), below


def _blend(image: Image, patch: Image, left: int, top: int) -> None:
    """Lay an RGBA patch over the frame, moved so that it is inside; what is larger than the frame is cut off."""
    height, width = image.shape[:2]
    left, top = max(0, min(left, width - patch.shape[1])), max(0, min(top, height - patch.shape[0]))
    patch = patch[: height - top, : width - left]
    part = image[top : top + patch.shape[0], left : left + patch.shape[1]]
    alpha = patch[..., 3:].astype(np.uint16)
    part[:] = ((part * (255 - alpha) + patch[..., :3] * alpha + 127) // 255).astype(np.uint8)
