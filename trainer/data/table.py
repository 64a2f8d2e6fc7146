"""Reading a CSV of a corpus: its rows with their line numbers, or one error that says what is wrong where."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainer.data.conversation import DatasetError

_MISREAD: Final = "\u00e2\u20ac"
"""How the UTF-8 of typographic quotes looks once it was read as Windows-1252 and written again."""


_TYPOGRAPHY: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\x92": "'", "\u201c": '"', "\u201d": '"',
        "\u2026": "...", "\u2013": "-", "\u2014": "-",
    }
)  # fmt: skip


def clean_text(text: str) -> str:
    """Return the text with plain quotes and dashes and single blanks, as a speech recogniser writes it."""
    return " ".join(text.translate(_TYPOGRAPHY).split())


@dataclass(frozen=True)
class Row:
    """One row of a table: its file and line, and its cells by column, without blanks around them."""

    path: Path
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def wrong(self, what: str) -> DatasetError:
        """Return an error that names this row's file and line."""
        return wrong(self.path, self.line, what)

    def whole(self, column: str) -> int:
        """Return a cell as a whole number.

        Raises:
            DatasetError: it is none.
        """
        try:
            return int(self[column])
        except ValueError as error:
            message = f"{column} must be a whole number, not {self[column]!r}"
            raise self.wrong(message) from error


def wrong(path: Path, line: int, what: str) -> DatasetError:
    """Return an error that names a file and a line of it."""
    return DatasetError(f"{path}:{line}: {what}")


def read_text(path: Path) -> str:
    """Return the whole of a UTF-8 file, without a byte order mark.

    Raises:
        DatasetError: it is in another encoding, in part or as a whole.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 (byte 0x{data[error.start]:02x}); convert the whole file once, as with iconv -t utf-8"
        raise wrong(path, line, message) from error
    if _MISREAD in text:
        line = text.count("\n", 0, text.index(_MISREAD)) + 1
        message = "encodings are mixed up: UTF-8 was read as Windows-1252 here and written again; take the original"
        raise wrong(path, line, message)
    return text


def read_rows(path: Path, columns: Sequence[str], what: str) -> Iterator[Row]:
    """Yield the rows of a CSV file with a heading.

    Args:
        path: the file.
        columns: those it must have.
        what: what the file should be, for the error.

    Raises:
        DatasetError: a column is missing, a row has too few or too many cells, or the encoding is wrong.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise wrong(path, 1, f"column {', '.join(missing)} is missing; this is not {what}")
    try:
        for cells in reader:
            yield _row(path, reader.line_num, cells)
    except csv.Error as error:
        raise wrong(path, reader.line_num, f"not a row of a CSV file: {error}") from error


def _row(path: Path, line: int, cells: dict[str | None, str | None]) -> Row:
    if None in cells or None in cells.values():
        raise wrong(path, line, "another number of cells than the heading has; is a quotation mark or comma missing?")
    return Row(path, line, {str(column): str(cell).strip() for column, cell in cells.items()})
