"""What is to be drawn on one frame."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShownUtterance:
    """One utterance; ``label`` is None while its emotion isn't known, ``provisional`` while it may be taken back.

    Of an emotion that is uncertain the label is :data:`~wire.events.NOT_SURE`.
    """

    speaker: str
    text: str
    label: str | None = None
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class ShownFace:
    """One face: left, top, right, bottom in pixels of the frame, and the likeliest expression, if any.

    ``speaking``: it said what is shown last.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    speaking: bool = False


@dataclass(frozen=True, slots=True)
class FaceWords:
    """What one of several faces said: as in :class:`View`."""

    face: ShownFace
    rows: tuple[ShownUtterance, ...]
    bars: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class View:
    """All of it: the utterances, the older first, the probabilities of the newest emotion, and the faces.

    What is known to have been said by one of several faces is in ``by_face`` instead.
    """

    rows: tuple[ShownUtterance, ...] = ()
    bars: tuple[tuple[str, float], ...] = ()
    faces: tuple[ShownFace, ...] = ()
    by_face: tuple[FaceWords, ...] = ()
