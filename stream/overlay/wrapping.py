"""Text in lines of limited width. Pure: how wide a text is, is asked of ``width_of``."""

from collections.abc import Callable
from typing import Final
from unicodedata import category

MORE: Final = "…"

WidthOf = Callable[[str], float]


def plain(text: str) -> str:
    """Return ``text`` with single blanks and without what is no character to be seen: fonts stumble over it."""
    seen = (" " if category(character) in {"Cc", "Cs"} else character for character in text)
    return " ".join("".join(seen).split())


def wrap(text: str, width: float, width_of: WidthOf) -> list[str]:
    """Return the lines of ``text``, broken between words, and inside a word that is wider than a line."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(joined := f"{lines[-1]} {word}") <= width:
            lines[-1] = joined
            continue
        pieces = list(_pieces(word, width, width_of))
        lines.extend(pieces)
    return lines


def last_lines(text: str, count: int, width: float, width_of: WidthOf) -> list[str]:
    """Return the last lines, for words that still come; what is left out before them is told by an ellipsis."""
    lines = wrap(text, width, width_of)
    if len(lines) <= count:
        return lines
    kept = lines[-count:]
    return [cut_start(f"{lines[-count - 1]} {kept[0]}", width, width_of), *kept[1:]]


def cut_end(text: str, width: float, width_of: WidthOf) -> str:
    """Return as much of the beginning as fits, with an ellipsis where it was cut; empty if nothing fits."""
    if width_of(text) <= width:
        return text
    return next((cut for end in range(len(text), -1, -1) if width_of(cut := text[:end].rstrip() + MORE) <= width), "")


def cut_start(text: str, width: float, width_of: WidthOf) -> str:
    """Return as much of the end as fits, with an ellipsis where it was cut; empty if nothing fits."""
    if width_of(text) <= width:
        return text
    return next((cut for start in range(len(text) + 1) if width_of(cut := MORE + text[start:].lstrip()) <= width), "")


def _pieces(word: str, width: float, width_of: WidthOf) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and width_of(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
