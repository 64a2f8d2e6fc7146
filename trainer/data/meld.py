"""MELD's official CSV files: dialogs of labelled utterances (Poria et al., 2019)."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from models.labels import LABEL_INDEX
from models.text import Turn
from trainer.data.errors import DatasetError, require

Split = Literal["train", "dev", "test"]

_COLUMNS: Final = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_TYPOGRAPHY: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\x92": "'", "\u201c": '"', "\u201d": '"',
        "\u2026": "...", "\u2013": "-", "\u2014": "-",
    }
)  # fmt: skip


@dataclass(frozen=True)
class MeldUtterance:
    """One utterance with the index of its emotion in :data:`models.labels.LABELS`."""

    dialog: int
    utterance: int
    turn: Turn
    label: int


MeldDialog = tuple[MeldUtterance, ...]


def clean_text(text: str) -> str:
    """Return the text with plain quotes and dashes, as a speech recogniser writes them."""
    return " ".join(text.translate(_TYPOGRAPHY).split())


def load_meld(folder: Path, split: Split) -> tuple[MeldDialog, ...]:
    """Return the dialogs of one split, each in the order of its utterances.

    Raises:
        DatasetError: the file is missing, is not UTF-8, lacks a column or has an unknown label.
    """
    path = require(folder / f"{split}_sent_emo.csv", f"MELD's {split} split")
    dialogs: dict[int, list[MeldUtterance]] = {}
    for line, row in _rows(path):
        utterance = _parse(path, line, row)
        dialogs.setdefault(utterance.dialog, []).append(utterance)
    return tuple(tuple(sorted(dialog, key=lambda item: item.utterance)) for dialog in dialogs.values())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                message = f"{path}: column {', '.join(missing)} is missing; this is not MELD's official CSV"
                raise DatasetError(message)
            return [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 at byte {error.start}; convert the file (iconv -t utf-8)"
        raise DatasetError(message) from error


def _parse(path: Path, line: int, row: dict[str, str]) -> MeldUtterance:
    emotion = row["Emotion"].strip().lower()
    if emotion not in LABEL_INDEX:
        message = f"{path}:{line}: unknown emotion {emotion!r}; expected one of {', '.join(LABEL_INDEX)}"
        raise DatasetError(message)
    try:
        dialog, utterance = int(row["Dialogue_ID"]), int(row["Utterance_ID"])
    except ValueError as error:
        message = f"{path}:{line}: Dialogue_ID and Utterance_ID must be whole numbers"
        raise DatasetError(message) from error
    turn = Turn(row["Speaker"].strip(), clean_text(row["Utterance"]))
    return MeldUtterance(dialog, utterance, turn, LABEL_INDEX[emotion])
