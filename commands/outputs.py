"""What the evaluating commands share: corpora by name, and results written to a file or printed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from models.whole_file import whole_file

STDOUT: Final = Path("-")

Root = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, help="The corpus's folder; the one of its name in the folder that M2FNET_DATA names if unset."
    ),
]


def listed(given: Sequence[str] | None) -> list[str]:
    """Return the items of an option that may be given several times, each time with commas or blanks between."""
    return [item for words in given or () for item in words.replace(",", " ").split()]


def numbers(given: Sequence[str] | None, option: str) -> list[int]:
    """Return the items of :func:`listed` as whole numbers from 0.

    Raises:
        typer.BadParameter: one is none.
    """
    items = listed(given)
    wrong = [item for item in items if not item.isdecimal()]
    if wrong:
        message = f"{wrong[0]!r} is no whole number"
        raise typer.BadParameter(message, param_hint=option)
    return [int(item) for item in items]


def corpus_folder(root: Path | None, dataset: str) -> Path:
    """Return the folder of a corpus: the one named, or the one of its name in the folder that M2FNET_DATA names."""
    from trainer.config import data_folder  # noqa: PLC0415 - loads torch, which the help must not wait for

    return root or data_folder() / dataset


def write_text(path: Path | None, text: str) -> None:
    """Write a result whole, print it where the path is ``-``, or do nothing without a path.

    Raises:
        FileError: the file can't be written.
    """
    if path == STDOUT:
        typer.echo(text, nl=False)
    elif path is not None:
        with whole_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
