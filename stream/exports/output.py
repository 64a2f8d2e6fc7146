"""Where results are written: the standard output, a file, or a folder with a file for each."""

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Final

from models.files.output_checks import require_texts
from models.files.whole_file import FileError, require_folder, whole_file
from stream.exports.formats import encoded, render
from stream.exports.forms import FORMS, Format
from stream.exports.results import AnalysisResult

STDOUT: Final = Path("-")
_NOT_IN_NAMES: Final = re.compile(r'[\x00-\x1f<>:"/\\|?*]' if os.name == "nt" else r"[\x00-\x1f/]")


class ResultWriter:
    """Writes results in one form: in a folder each to a file of its own, at once; else all of them at the end.

    Args:
        form: the form.
        output: a folder that is there; or a file; the standard output for None and ``-``.
        stems: what the files in a folder are called, without their endings: of each result that may come.
        inputs: what is read, and must not be replaced.
        several: says that a single result is still one of a list.

    Raises:
        FileError: something can't be written, or would replace an input or what is no text.
    """

    def __init__(
        self, form: Format, output: Path | None, stems: Sequence[str], *, inputs: Iterable[Path], several: bool
    ) -> None:
        self._form, self._several = form, several
        self._output = None if output == STDOUT else output
        self._files: list[Path] = []
        self._kept: list[AnalysisResult] = []
        if self._output is not None and self._output.is_dir():
            self._files = [self._output / name for name in file_names(stems, form)]
            require_folder(self._output)
        targets = self._files or [self._output] if self._output is not None else []
        require_texts(targets, inputs)

    def add(self, position: int, result: AnalysisResult) -> None:
        """Take the result of the ``position``-th of the stems.

        Raises:
            FileError: it can't be written.
        """
        if self._files:
            self._write([result], self._files[position], several=False)
        else:
            self._kept.append(result)

    def close(self) -> None:
        """Write what there is so far, if it has not been; to be called once.

        Raises:
            FileError: it can't be written.
        """
        if not self._kept:
            return
        if self._output is None:
            _print(render(self._kept, self._form, several=self._several))
        else:
            self._write(self._kept, self._output, several=self._several)

    def _write(self, results: Sequence[AnalysisResult], path: Path, *, several: bool) -> None:
        with whole_file(path) as partial:
            partial.write_bytes(encoded(results, self._form, several=several))


def stem_of(name: str) -> str:
    """Return what the file of a result is called without its ending, by the name of the result."""
    return _NOT_IN_NAMES.sub("_", PurePath(name).stem) or "dialog"


def file_names(stems: Sequence[str], form: Format) -> list[str]:
    """Return a name for each stem with the form's ending, and a number where that is taken.

    Names are taken for the same that differ in capital letters or in how accents are encoded: some disks do.
    """
    names: list[str] = []
    taken: set[str] = set()
    for stem in stems:
        tried = (f"{stem}{number}{FORMS[form].suffix}" for number in ("", *(f"-{n}" for n in range(2, len(stems) + 2))))
        name = next(name for name in tried if _folded(name) not in taken)
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"the standard output can't be written ({error.strerror or error})"
        raise FileError(message) from error
