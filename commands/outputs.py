"""What commands share that write results: their forms, where they go, and corpora by name."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from models.files.output_checks import require_outside, require_texts
from models.files.whole_file import require_folder, write_whole
from stream.exports.forms import FORMS, Format, find_format

STDOUT: Final = Path("-")
CSV_ENCODING: Final = FORMS["csv"].encoding

JsonOut = Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write JSON; - prints it.")]
MarkdownOut = Annotated[Path | None, typer.Option(metavar="OUT", help="Write Markdown; - prints it.")]
CsvOut = Annotated[Path | None, typer.Option(metavar="OUT", help="Write CSV; - prints it.")]
Root = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, help="The corpus's folder; the one of its name in the folder that M2FNET_DATA names if unset."
    ),
]


def parse_format(text: str) -> Format:
    """Return the form of a name, such as txt or srt.

    Raises:
        typer.BadParameter: there is none of this name.
    """
    form = find_format(text)
    if form is None:
        message = f"{text!r} is no form of results; there are {', '.join(FORMS)}"
        raise typer.BadParameter(message)
    return form


FormOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        parser=parse_format,
        metavar="|".join(FORMS),
        help="Form of the results; what the ending of --output says if not given, else text.",
    ),
]
ResultOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="File to write, or a folder for a file of each; standard output if not given, or -.",
    ),
]


def destination(output: str | None) -> Path | None:
    """Return where results go, None for the standard output; a name that ends in a slash is a folder, which is made.

    Raises:
        FileError: it can't be made.
    """
    if output is None or output == str(STDOUT):
        return None
    if output.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        require_folder(Path(output))
    return Path(output)


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


def require_reports(
    files: Sequence[Path | None],
    *,
    folders: Sequence[Path | None],
    inputs: Sequence[Path | None],
    bundles: Sequence[str],
) -> None:
    """Refuse what is to be written and can't be, before the work that leads to it.

    Args:
        files: those to be written; ``-`` is the standard output.
        folders: those that files will be put into.
        inputs: files that are read, and folders in which such are.
        bundles: what is evaluated, by name or folder.

    Raises:
        FileError: something can't be written, or would replace an input.
    """
    written = [file for file in files if file is not None and file != STDOUT]
    made = [folder for folder in folders if folder is not None]
    require_outside([*written, *made], map(Path, bundles))
    require_texts(written, filter(None, inputs))
    for folder in made:
        require_folder(folder)


def write_text(path: Path | None, text: str, encoding: str = "utf-8") -> None:
    """Write a result whole, print it where the path is ``-``, or do nothing without a path.

    Raises:
        FileError: the file can't be written.
    """
    if path == STDOUT:
        typer.echo(text, nl=False)
    elif path is not None:
        write_whole(path, text, encoding)
