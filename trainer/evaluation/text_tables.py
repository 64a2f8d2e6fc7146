"""Tables of text: for a terminal, as Markdown, as CSV."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence

from rich.table import Table
from rich.text import Text


def terminal_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = (), title: str | None = None
) -> Table:
    """Return a table for a terminal; the first column and those named in ``left`` are words, the others numbers."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for place, heading in enumerate(headings):
        words = not place or heading in left
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows, the first of which are headings, as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
