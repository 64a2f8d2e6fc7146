"""Where results are written: the standard output, a file, or a folder with a file for each."""

import sys
from collections.abc import Sequence
from pathlib import Path

from stream.formats import FORMS, Format, render
from stream.results import AnalysisResult


class OutputError(Exception):
    """The results can't be written; the message says why and what to do."""


def require_output(output: Path | None) -> None:
    """Refuse at once what can't be written in the end.

    Raises:
        OutputError: the folder of the file does not exist.
    """
    if output is not None and not output.is_dir() and not output.parent.is_dir():
        message = f"can't write {output}: the folder {output.parent} does not exist; make it first"
        raise OutputError(message)


def write_results(results: Sequence[AnalysisResult], form: Format, output: Path | None, *, several: bool) -> None:
    """Write results in a form; ``several`` says whether more than one was asked for.

    Args:
        results: at least one.
        form: the form.
        output: a file; or a folder, where each result gets a file of its own name; the standard output if None.
        several: says that a single result is still one of a list.

    Raises:
        OutputError: the file can't be written.
    """
    if output is None:
        sys.stdout.write(render(results, form, several=several))
    elif output.is_dir():
        for result, name in zip(results, file_names(results, form), strict=True):
            _write(render([result], form, several=False), output / name)
    else:
        _write(render(results, form, several=several), output)


def file_names(results: Sequence[AnalysisResult], form: Format) -> list[str]:
    """Return a name for each result: its file's with the form's ending, and a number where that is taken."""
    names: list[str] = []
    for result in results:
        stem = Path(result.file).stem or "dialog"
        tried = [stem, *(f"{stem}-{number}" for number in range(2, len(results) + 1))]
        names.append(next(name for name in (f"{stem}{FORMS[form].suffix}" for stem in tried) if name not in names))
    return names


def _write(text: str, path: Path) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        message = f"can't write {path}: {error.strerror}"
        raise OutputError(message) from error
