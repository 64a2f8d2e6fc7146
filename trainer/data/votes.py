"""What raters heard in acted clips, where that was asked: an actor's instruction is not always what is heard."""

import csv
from pathlib import Path
from typing import Final

from models.labels import LABELS
from trainer.data.conversation import DatasetError
from trainer.data.places import votes_table

_LETTERS: Final = {"A": "anger", "D": "disgust", "F": "fear", "H": "joy", "N": "neutral", "S": "sadness"}
_PREFIX: Final = "voice_"
_FILE: Final = "votes.csv"

Votes = dict[str, tuple[float, ...]]
"""By a file's name without its ending: the raters' shares of each label, in the order of ``LABELS``."""


def load_votes(name: str, folder: Path) -> Votes | None:
    """Return a corpus's votes of raters who heard the voice alone; None where there are none.

    Args:
        name: of the corpus.
        folder: the corpus; ``votes.csv`` is looked for in it and in ``NAME_votes`` beside it. Its columns are ``file``
            and ``voice_A`` … ``voice_S``, the counts of anger, disgust, fear, happiness, neutral and sadness.

    Raises:
        DatasetError: the table lacks a column or holds something else than counts.
    """
    path = votes_table(name, folder, _FILE)
    if path is None:
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["file"]: shares for row in csv.DictReader(file) if (shares := _shares(row))}
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path} can't be read as votes ({error}): it needs the columns file, {', '.join(_columns())}"
        raise DatasetError(message) from error


def _columns() -> list[str]:
    return [f"{_PREFIX}{letter}" for letter in _LETTERS]


def _shares(row: dict[str, str]) -> tuple[float, ...]:
    """Return the shares of all labels, nothing where nobody voted."""
    counts = {label: int(row[f"{_PREFIX}{letter}"]) for letter, label in _LETTERS.items()}
    total = sum(counts.values())
    return tuple(counts.get(label, 0) / total for label in LABELS) if total else ()


def majority(shares: tuple[float, ...]) -> int | None:
    """Return the label that most raters heard; None where two are heard as often."""
    most = max(shares)
    return shares.index(most) if shares.count(most) == 1 else None
