"""What is shown of the events, and where: the words are those of the overlay page (docs/overlay.md)."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Element = Literal["name", "emotion", "transcript", "bars", "faces"]
Position = Literal["top-left", "top", "top-right", "bottom-left", "bottom", "bottom-right"]

ELEMENTS: Final[tuple[Element, ...]] = get_args(Element)
SIZE_RANGE: Final = (10, 200)
FADE_RANGE: Final = (0.0, 600.0)


@dataclass(frozen=True, slots=True)
class Look:
    """How the overlay looks.

    Attributes:
        show: the elements that are drawn.
        size: height of the text in pixels; 0: as fits the frame.
        position: of the card with the words.
        fade_s: an utterance is taken away so long after its last change; 0: only by later ones.
    """

    show: frozenset[Element] = frozenset(("emotion", "transcript", "faces"))
    size: int = 0
    position: Position = "bottom"
    fade_s: float = 8.0


def parse_show(text: str) -> frozenset[Element]:
    """Return the elements of a list with commas.

    Raises:
        ValueError: one does not exist, or there is none; the message names those there are.
    """
    words = [word for word in text.replace(",", " ").split() if word]
    known = [element for element in ELEMENTS if element in words]
    wrong = [word for word in words if word not in ELEMENTS]
    if wrong or not known:
        what = f"{wrong[0]!r} can't be shown" if wrong else "nothing would be shown"
        message = f"{what}; choose of {', '.join(ELEMENTS)}, with commas between them"
        raise ValueError(message)
    return frozenset(known)
