"""How the acted speech corpora name their files, and which of their speakers are held out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Corpus:
    """How one corpus names its files.

    Attributes:
        name: what it is called here.
        pattern: of a file's name without its ending, with the groups ``emotion`` and ``speaker``; a file whose name
            has no speaker is in a folder named after the speaker.
        emotions: its codes and what we call them, None where we have no such label.
        is_dev: whether a speaker is held out.
    """

    name: str
    pattern: re.Pattern[str]
    emotions: dict[str, str | None]
    is_dev: Callable[[str], bool]


def _any_of(*speakers: str) -> Callable[[str], bool]:
    return frozenset(speakers).__contains__


def _every_seventh(first: int) -> Callable[[str], bool]:
    """Return whether a speaker's number is ``first``, or a multiple of seven more: of many, a seventh is held out."""
    return lambda speaker: int(speaker) % 7 == first


RAVDESS: Final = Corpus(
    "ravdess",
    re.compile(r"\d\d-\d\d-(?P<emotion>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)"),
    {
        "01": "neutral", "02": "neutral", "03": "joy", "04": "sadness",
        "05": "anger", "06": "fear", "07": "disgust", "08": "surprise",
    },
    _any_of("17", "18", "19", "20"),
)  # fmt: skip
EMODB: Final = Corpus(
    "emodb",
    re.compile(r"(?P<speaker>\d\d)\w\d\d(?P<emotion>[A-Z])\w"),
    {
        "W": "anger", "L": None, "E": "disgust", "A": "fear", "F": "joy", "T": "sadness", "N": "neutral",
    },
    _any_of("09", "10"),
)  # fmt: skip
NEMO: Final = Corpus(
    "nemo",
    re.compile(r"(?P<speaker>[A-Z0-9]+)_(?P<emotion>[a-z]+)_\d+"),
    {
        "anger": "anger", "fear": "fear", "happiness": "joy", "neutral": "neutral",
        "sadness": "sadness", "surprised": "surprise",
    },
    _any_of("SM0", "WR0"),
)  # fmt: skip
EMOVO: Final = Corpus(
    "emovo",
    re.compile(r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm]\d)-\w+"),
    {
        "dis": "disgust", "gio": "joy", "pau": "fear", "rab": "anger",
        "sor": "surprise", "tri": "sadness", "neu": "neutral",
    },
    _any_of("f3"),
)  # fmt: skip
CREMA_D: Final = Corpus(
    "crema_d",
    re.compile(r"(?P<speaker>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_\w+"),
    {
        "HAP": "joy", "SAD": "sadness", "ANG": "anger", "DIS": "disgust", "FEA": "fear", "NEU": "neutral",
    },
    _any_of("1005", "1015", "1025", "1035", "1045", "1055", "1065", "1075"),
)  # fmt: skip
TESS: Final = Corpus(
    "tess",
    re.compile(r"(?P<speaker>OAF?|YAF)_[a-z]+_(?P<emotion>[a-z]+)"),  # one file of the release starts with "OA_"
    {
        "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "joy",
        "neutral": "neutral", "ps": "surprise", "sad": "sadness",
    },
    _any_of("YAF"),
)  # fmt: skip
SAVEE: Final = Corpus(
    "savee",
    re.compile(r"(?:(?P<speaker>[A-Z]{2})_)?(?P<emotion>sa|su|[adfhn])\d\d"),
    {
        "a": "anger", "d": "disgust", "f": "fear", "h": "joy", "n": "neutral", "sa": "sadness", "su": "surprise",
    },
    _any_of("KL"),
)  # fmt: skip
ASED: Final = Corpus(
    "ased",
    re.compile(r"(?P<emotion>[nfhsaS]\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)"),  # one file of the release is an "S4"
    {
        "n1": "neutral", "f2": "fear", "h3": "joy", "s4": "sadness", "S4": "sadness", "a5": "anger",
    },
    _every_seventh(6),  # by number alone: five numbers stand with both genders, which are slips in the names
)  # fmt: skip
EMOSPEECH_INDIA: Final = Corpus(
    "emospeech_india",
    re.compile(r"(?P<speaker>\d{3})_(?P<emotion>[a-z]+)_[a-z]+_\d+"),
    {
        "anger": "anger", "fear": "fear", "joy": "joy", "neutral": "neutral",
    },
    _every_seventh(3),
)  # fmt: skip

STARTER_CORPORA: Final = (RAVDESS, EMODB, NEMO, EMOVO, CREMA_D, ASED, EMOSPEECH_INDIA)
"""Those the starter bundle is trained on."""
CORPORA: Final = {corpus.name: corpus for corpus in (*STARTER_CORPORA, TESS, SAVEE)}
