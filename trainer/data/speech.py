"""The acted speech corpora: what each file name says, and the split by speaker."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from models.labels import LABEL_INDEX
from trainer.data.errors import DatasetError, require

Split = Literal["train", "dev"]


@dataclass(frozen=True)
class SpeechClip:
    """One clip: its file, corpus, speaker and the index of its emotion."""

    path: Path
    corpus: str
    speaker: str
    label: int


@dataclass(frozen=True)
class Corpus:
    """How one corpus names its files; ``emotions`` maps its codes to ours, None where we have no such label."""

    name: str
    pattern: re.Pattern[str]
    emotions: dict[str, str | None]
    is_dev: Callable[[str], bool]


def _any_of(*speakers: str) -> Callable[[str], bool]:
    return frozenset(speakers).__contains__


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

CORPORA: Final = (RAVDESS, EMODB, NEMO, EMOVO, CREMA_D)


def load_speech(root: Path, split: Split) -> tuple[SpeechClip, ...]:
    """Return the clips of one split of every corpus under ``root``, in a fixed order.

    Raises:
        DatasetError: a corpus is missing, or a file is not named as the corpus names its files.
    """
    return tuple(
        clip for corpus in CORPORA for clip in _clips(root, corpus) if corpus.is_dev(clip.speaker) == (split == "dev")
    )


def _clips(root: Path, corpus: Corpus) -> Iterator[SpeechClip]:
    folder = require(root / corpus.name, f"the corpus {corpus.name}")
    for path in sorted(folder.glob("*.opus")):
        clip = _parse(path, corpus)
        if clip is not None:
            yield clip


def _parse(path: Path, corpus: Corpus) -> SpeechClip | None:
    match = corpus.pattern.fullmatch(path.stem)
    if match is None or match["emotion"] not in corpus.emotions:
        message = f"{path}: not named as {corpus.name} names its files; remove it or rename it"
        raise DatasetError(message)
    emotion = corpus.emotions[match["emotion"]]
    return SpeechClip(path, corpus.name, match["speaker"], LABEL_INDEX[emotion]) if emotion else None
