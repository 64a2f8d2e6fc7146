"""MELD in its official layout: dialogs of labelled utterances of a television series (Poria et al., 2019).

The raw release holds three tables (``train_sent_emo.csv``, ``dev_sent_emo.csv``, ``test_sent_emo.csv``) and three
folders of clips named ``dia{D}_utt{U}.mp4``. The tables alone are enough for what needs text only.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from models.labels import LABEL_INDEX, LABELS
from models.text_input import Turn
from trainer.data.conversation import AbsentError, Clip, Conversations, Dialog, Skipped, Utterance, odd_length
from trainer.data.table import Row, clean_text, read_rows

_TABLE: Final = "_sent_emo.csv"
_COLUMNS: Final = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_FOLDERS: Final[dict[str, str]] = {
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
UNUSABLE: Final[dict[tuple[str, str], str]] = {
    ("train", "dia125_utt3"): "the release's clip is broken",
    ("dev", "dia110_utt7"): "the release has no clip of it",
    ("test", "dia38_utt4"): "the release's clip is cut wrongly and runs for minutes",
    ("test", "dia220_utt0"): "the release's clip is cut wrongly and runs for minutes",
}
"""Clips known to be of no use, by split and name (declare-lab/MELD, issues 20, 22, 27 and 39); their text is good."""

_TIME: Final = re.compile(r"(\d+):(\d+):(\d+),(\d+)")


@dataclass(frozen=True)
class _Found:
    """One row of the table: its place, what was said, and what is odd about it."""

    dialog: int
    index: int
    utterance: Utterance
    odd: str | None


def load_meld(root: Path, split: str, *, media: bool = True) -> Conversations:
    """Return the dialogs of one split, each in the order of its utterances.

    With ``media``, each utterance gets its clip. One whose clip is missing or of no use stays, without a clip and
    noted; where there is no folder of clips at all, the split is text only and that is no error.

    Args:
        root: the release's folder, or the one that holds its ``train``, ``dev`` and ``test`` folders.
        split: ``train``, ``dev`` or ``test``, or the path of such a table or of a folder with one.
        media: whether to look for the clips.

    Raises:
        DatasetError: the table is missing, is not UTF-8, lacks a column, has an unknown label or an utterance twice.
    """
    table = find_table(root, split)
    found = _read(table)
    noted = [Skipped(row.utterance.name, row.odd) for row in found if row.odd]
    part = table.name.removesuffix(_TABLE)
    clips = find_clips(root if part == split else table.parent, part) if media else None
    if clips is not None:
        found, without = _with_clips(found, part, clips)
        noted += without
    return Conversations("meld", split, LABELS, _dialogs(found), noted=tuple(noted))


def _places(root: Path, split: str) -> list[Path]:
    return [root, root / split, root / "MELD.Raw", root / "MELD.Raw" / split]


def find_table(root: Path, split: str) -> Path:
    """Return the split's CSV file.

    Raises:
        AbsentError: it is in none of the places where the release has it.
    """
    named = [place / f"{split}{_TABLE}" for place in _places(root, split)] if split in _FOLDERS else _given(Path(split))
    table = next((path for path in named if path.is_file()), None)
    if table is not None:
        return table
    message = (
        f"MELD's {split} split not found: no {named[0].name} in {named[0].parent} or below; check --root or --data "
        "(or M2FNET_DATA) and --split; docs/datasets.md says where it comes from"
    )
    raise AbsentError(message)


def _given(path: Path) -> list[Path]:
    """Return a path, or the one table in it if it is a folder of one."""
    tables = sorted(path.glob(f"*{_TABLE}"))
    return tables if len(tables) == 1 else [path]


def find_clips(root: Path, split: str) -> Path | None:
    """Return the folder of the split's clips, or None if there is none."""
    folders = (place / _FOLDERS[split] for place in _places(root, split) if split in _FOLDERS)
    return next((folder for folder in folders if folder.is_dir()), None)


def _read(table: Path) -> list[_Found]:
    found: dict[tuple[int, int], _Found] = {}
    for row in read_rows(table, _COLUMNS, "MELD's official CSV"):
        utterance = _parse(row)
        place = (utterance.dialog, utterance.index)
        if place in found:
            message = f"{utterance.utterance.name} is there twice"
            raise row.wrong(message)
        found[place] = utterance
    return list(found.values())


def _parse(row: Row) -> _Found:
    emotion = row["Emotion"].lower()
    if emotion not in LABEL_INDEX:
        message = f"unknown emotion {emotion!r}; expected one of {', '.join(LABEL_INDEX)}"
        raise row.wrong(message)
    dialog, index = row.whole("Dialogue_ID"), row.whole("Utterance_ID")
    turn = Turn(row["Speaker"], clean_text(row["Utterance"]))
    utterance = Utterance(f"dia{dialog}_utt{index}", turn, LABEL_INDEX[emotion])
    return _Found(dialog, index, utterance, _odd_times(row))


def _odd_times(row: Row) -> str | None:
    """Say what is odd about the times of a row; a table without times has nothing odd about them."""
    start, end = (_milliseconds(row.cells.get(column, "")) for column in ("StartTime", "EndTime"))
    return None if start is None or end is None else odd_length(start, end)


def _milliseconds(time: str) -> int | None:
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    hours, minutes, seconds, rest = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def _with_clips(found: list[_Found], split: str, folder: Path) -> tuple[list[_Found], list[Skipped]]:
    # Looked up by name: the folders also hold clips no row stands for, and macOS's leavings such as ._dia0_utt0.mp4.
    there = {path.name for path in folder.iterdir()}
    with_clips, noted = [], []
    for row in found:
        name = row.utterance.name
        why = UNUSABLE.get((split, name)) or ("its clip is not there" if f"{name}.mp4" not in there else None)
        clip = Clip(folder / f"{name}.mp4") if why is None else None
        with_clips.append(_Found(row.dialog, row.index, replace(row.utterance, clip=clip), row.odd))
        if why is not None:
            noted.append(Skipped(name, f"no media: {why}"))
    return with_clips, noted


def _dialogs(found: list[_Found]) -> tuple[Dialog, ...]:
    dialogs: dict[int, list[_Found]] = {}
    for row in found:
        dialogs.setdefault(row.dialog, []).append(row)
    ordered = (sorted(rows, key=lambda row: row.index) for rows in dialogs.values())
    return tuple(tuple(row.utterance for row in rows) for rows in ordered)
