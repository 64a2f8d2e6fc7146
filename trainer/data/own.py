"""Conversations of one's own: a CSV file a split, with the media beside it (docs/datasets.md).

Columns: ``dialog`` (any name), ``utterance`` (a whole number, the order in the dialog), ``speaker``, ``text``,
``label``, and, where there are media, ``file`` (relative to the CSV), ``start`` and ``end`` (seconds in that file; both
empty: the file is the utterance).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.text_input import Turn
from trainer.data.conversation import AbsentError, Clip, Conversations, Dialog, Skipped, Utterance, odd_length
from trainer.data.label_folders import SOUND
from trainer.data.table import Row, clean_text, read_rows

_COLUMNS: Final = ("dialog", "utterance", "speaker", "text", "label")
_WHAT: Final = "a CSV of conversations, separated by commas (docs/datasets.md)"


@dataclass(frozen=True)
class _Found:
    """One row: where it belongs, and what is odd about it."""

    dialog: str
    index: int
    utterance: Utterance
    odd: str | None


def load_own(root: Path, split: str, labels: Sequence[str] | None = None, *, media: bool = True) -> Conversations:
    """Return the conversations of ``root/{split}.csv``.

    Args:
        root: the folder with ``train.csv``, ``dev.csv`` and ``test.csv``.
        split: one of the three, or the path of another such file.
        labels: the label set in its order; by default the labels of ``root/train.csv``, sorted, or where there is no
            such file those of the file itself.
        media: whether to look for the media.

    Raises:
        DatasetError: a file is missing, a column is missing, a number or time is none, an utterance ends before it
            starts or is there twice, or a label is not in the set.
    """
    path = table_of(root, split)
    names = tuple(labels) if labels is not None else _labels(root / "train.csv" if _has_train(root) else path)
    found: dict[tuple[str, int], _Found] = {}
    for row in read_rows(path, _COLUMNS, _WHAT):
        one = _parse(row, names, media)
        place = (one.dialog, one.index)
        if place in found:
            message = f"utterance {one.index} of dialog {one.dialog!r} is there twice"
            raise row.wrong(message)
        found[place] = one
    noted = tuple(Skipped(one.utterance.name, one.odd) for one in found.values() if one.odd)
    return Conversations("csv", split, names, _dialogs(list(found.values())), noted=noted)


def table_of(root: Path, split: str) -> Path:
    """Return the split's file.

    Raises:
        AbsentError: it is not there.
    """
    for path in (root / f"{split}.csv", Path(split)):
        if path.is_file():
            return path
    message = f"{root / f'{split}.csv'} not found, and {split!r} is no file either; check --root and --split"
    raise AbsentError(message)


def _has_train(root: Path) -> bool:
    return (root / "train.csv").is_file()


def _labels(path: Path) -> tuple[str, ...]:
    return tuple(sorted({row["label"] for row in read_rows(path, _COLUMNS, _WHAT)} - {""}))


def _parse(row: Row, labels: Sequence[str], media: bool) -> _Found:
    if row["label"] not in labels:
        message = f"label {row['label']!r} is not one of the set: {', '.join(labels)}"
        raise row.wrong(message)
    if not row["dialog"]:
        message = "dialog is empty"
        raise row.wrong(message)
    dialog, index = row["dialog"], row.whole("utterance")
    clip, odd = _clip(row, media)
    turn = Turn(row["speaker"], clean_text(row["text"]))
    return _Found(dialog, index, Utterance(f"{dialog}_{index}", turn, labels.index(row["label"]), clip), odd)


def _clip(row: Row, media: bool) -> tuple[Clip | None, str | None]:
    """Return the utterance's media, and what is odd about them."""
    times = _times(row)
    odd = odd_length(*times) if times else None
    name = row.cells.get("file", "")
    if not media or not name or odd:
        return None, odd
    file = row.path.parent / name
    if not file.is_file():
        message = f"{file} is missing"
        raise row.wrong(message)
    start, end = times or (None, None)
    if file.suffix.lower() in SOUND:
        return Clip(sound=file, start_ms=start, end_ms=end), None
    return Clip(video=file, start_ms=start, end_ms=end), None


def _times(row: Row) -> tuple[int, int] | None:
    """Return start and end in milliseconds, or None where the row has neither."""
    start, end = (_milliseconds(row, column) for column in ("start", "end"))
    if start is None and end is None:
        return None
    if start is None or end is None:
        message = "start and end must both be there, or neither"
        raise row.wrong(message)
    if not 0 <= start < end:
        message = f"the utterance ends at {row['end']} s but starts at {row['start']} s"
        raise row.wrong(message)
    return start, end


def _milliseconds(row: Row, column: str) -> int | None:
    cell = row.cells.get(column, "")
    if not cell:
        return None
    try:
        return round(float(cell) * 1000)
    except (ValueError, OverflowError) as error:
        message = f"{column} must be seconds, such as 12.5, not {cell!r}"
        raise row.wrong(message) from error


def _dialogs(found: Sequence[_Found]) -> tuple[Dialog, ...]:
    dialogs: dict[str, list[_Found]] = {}
    for one in found:
        dialogs.setdefault(one.dialog, []).append(one)
    ordered = (sorted(rows, key=lambda one: one.index) for rows in dialogs.values())
    return tuple(tuple(one.utterance for one in rows) for rows in ordered)
