"""The paper's tables beside ours: on the terminal, as Markdown, as CSV and as JSON."""

import json
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from trainer.evaluation.ablations import TABLES
from trainer.evaluation.paper import SOURCE
from trainer.evaluation.render import percent
from trainer.evaluation.tables import TableLine
from trainer.evaluation.text_tables import csv_text, markdown_table, terminal_table

HEADINGS: Final = ("row", "paper F1", "ours F1", "difference", "paper accuracy", "ours accuracy", "difference", "")
_SHORT: Final = ("row", "paper", "F1", "diff", "paper", "acc", "diff", "")  # lines of 80 columns hold them
_COMPARED: Final = ("weighted_f1", "accuracy")
_UNKNOWN: Final = "?"


def cells(line: TableLine) -> list[str]:
    """Return the cells of one line; what the paper's figure is not known of has no difference."""
    return [line.name, *_compared(line, "weighted_f1"), *_compared(line, "accuracy"), _remark(line)]


def _compared(line: TableLine, name: str) -> list[str]:
    paper: float | None = getattr(line.paper, name)
    shown = _UNKNOWN if paper is None else f"{paper:.2f}"
    if line.mean is None:
        return [shown, "", ""]
    ours: float = getattr(line.mean, name)
    difference = "" if paper is None else f"{100 * ours - paper:+.2f}"
    return [shown, percent(ours, line.deviation(name)), difference]


def _remark(line: TableLine) -> str:
    return f"not run: {line.why}" if line.why else ""


def by_table(lines: Sequence[TableLine]) -> dict[int, list[TableLine]]:
    """Return the lines of each table."""
    return {table: [line for line in lines if line.table == table] for table in sorted({line.table for line in lines})}


def heading(table: int) -> str:
    """Return a table's heading."""
    return f"Table {table}: {TABLES[table]} (weighted F1 and accuracy in per cent)"


def terminal(lines: Sequence[TableLine], title: str) -> RenderableType:
    """Return the tables for a terminal."""
    parts: list[RenderableType] = [Text(title, "bold")]
    for number, found in by_table(lines).items():
        parts += [Text(), terminal_table(_SHORT, map(cells, found), left=_SHORT[-1:], title=heading(number))]
    return Group(*parts, Text(), Text(f"paper: {SOURCE}", "dim"))


def markdown(lines: Sequence[TableLine], title: str) -> str:
    """Return the tables as Markdown."""
    parts = [f"## {title}"]
    for number, found in by_table(lines).items():
        parts += [f"### {heading(number)}", markdown_table(HEADINGS, [cells(line) for line in found])]
    return "\n\n".join([*parts, f"Paper: {SOURCE}."]) + "\n"


def as_csv(lines: Sequence[TableLine]) -> str:
    """Return all lines as CSV: the paper's figures in per cent as it prints them, ours as shares of 1."""
    columns = [f"{what}_{name}" for name in _COMPARED for what in ("paper", "ours", "deviation")]
    headings = ["table", "row", *columns, "seeds", "not_run"]
    return csv_text([headings, *map(_csv_row, lines)])


def _csv_row(line: TableLine) -> list[object]:
    numbers = [value for name in _COMPARED for value in _numbers(line, name)]
    return [line.table, line.name, *numbers, len(line.scores), line.why]


def _numbers(line: TableLine, name: str) -> tuple[float | None, ...]:
    ours = None if line.mean is None else getattr(line.mean, name)
    return getattr(line.paper, name), ours, line.deviation(name)


def as_json(lines: Sequence[TableLine], title: str) -> str:
    """Return all lines, with the scores of every seed."""
    found = {"title": title, "paper": SOURCE, "lines": [line.model_dump() for line in lines]}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
