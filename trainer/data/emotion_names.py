"""What folders and files call an emotion, and what it is called here."""

from collections.abc import Iterable
from typing import Final

from models.labels import LABELS

_ALSO_CALLED: Final[dict[str, tuple[str, ...]]] = {
    "neutral": ("neu", "neutrality", "calm"),
    "surprise": ("sur", "surprised", "ps", "pleasant_surprise", "pleasant_surprised"),
    "fear": ("fea", "fearful", "afraid", "scared"),
    "sadness": ("sad",),
    "joy": ("hap", "happy", "happiness", "joyful"),
    "disgust": ("dis", "disgusted"),
    "anger": ("ang", "angry"),
}
_EMOTIONS: Final = {name: label for label, names in _ALSO_CALLED.items() for name in (label, *names)}


def emotion_of(name: str) -> str | None:
    """Return which of the seven a name such as ``Angry`` means, or None if it is none of them."""
    return _EMOTIONS.get(name.strip().lower().replace(" ", "_").replace("-", "_"))


def classes_of(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the classes that names of folders stand for, and each name's index in them.

    Where every name means one of the seven emotions, the classes are those seven in their one order; otherwise they
    are the names themselves, sorted, as with identities.
    """
    found = sorted(set(names))
    emotions = {name: emotion_of(name) for name in found}
    if found and all(emotions.values()):
        return LABELS, {name: LABELS.index(str(emotion)) for name, emotion in emotions.items()}
    return tuple(found), {name: index for index, name in enumerate(found)}
