"""How emotions and times look in the report: the same signs and words as on the page (web/emotions.js, web/rows.js)."""

import unicodedata
from typing import Final

from stream.exports.report.sign_paths import NOT_SURE_PATHS, SIGN_PATHS, Paths
from wire.events import NOT_SURE, Modality

MODALITIES: Final[dict[Modality, str]] = {"text": "words", "audio": "voice", "face": "face", "scene": "scene"}


def sign(shown: str) -> Paths | None:
    """Return the features of an emotion's face, or of what is not sure; None for an emotion that has no face."""
    return NOT_SURE_PATHS if shown == NOT_SURE else SIGN_PATHS.get(shown)


def tone(shown: str) -> str:
    """Return what the style calls the colour and pattern of an emotion, or of what is not sure."""
    if shown == NOT_SURE:
        return "unsure"
    return shown if shown in SIGN_PATHS else "neutral"


def time(time_ms: float) -> str:
    """Return a time as m:ss, or h:mm:ss."""
    minutes, seconds = divmod(int(time_ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def percent(probability: float) -> str:
    """Return a probability as whole percent."""
    return f"{probability:.0%}"


def visible(text: str) -> str:
    """Return text without control characters, which HTML may not hold."""
    return "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)


def short(text: str, characters: int) -> str:
    """Return text of at most so many characters; what is left out is marked."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
