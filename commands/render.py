"""``m2fnet render``: a recorded or analyzed dialog in another form, without analyzing it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.batch import work_through
from commands.common import Verbose, told
from commands.outputs import FormOption, ResultOutput, destination
from stream.exports.forms import Format, format_of

if TYPE_CHECKING:
    from stream.exports.results import AnalysisResult


def render(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="The events of a recording (events.jsonl, or its folder), or JSON of m2fnet analyze; - for what comes "
            "from standard input.",
            show_default=False,
        ),
    ],
    format_: FormOption = None,
    output: ResultOutput = None,
    verbose: Verbose = False,
) -> None:
    """Write a dialog in another form: a report to read, captions for its video, a table, JSON.

    It takes what was recorded live and what was analyzed before, and loads no models. A file that can't be read gets
    its line on standard error, the others are still done; the exit code is then 1.

    Examples:
        m2fnet render recordings/standup/events.jsonl --format html -o standup.html

        m2fnet render talk.json -o talk.srt

        m2fnet analyze talk.mp4 --format json | m2fnet render - --format srt
    """
    with told(verbose=verbose):
        place = destination(output)
        raise typer.Exit(work_through(files, Rendering(files, format_ or format_of(place), place)))


class Rendering:
    """Dialogs read from several files; one may hold many, so they are written when all are read."""

    def __init__(self, files: Sequence[str], form: Format, output: Path | None) -> None:
        self._files, self._form, self._output = files, form, output
        self._dialogs: list[AnalysisResult] = []

    def check(self, _: int) -> None:
        """Do nothing: reading is quick and shows it."""

    def start(self) -> None:
        """See whether the output can be written, as far as its name is known."""
        from models.files.whole_file import require_file  # noqa: PLC0415 - imported when it runs, as cli.py says

        if self._output is not None and not self._output.is_dir():
            require_file(self._output)

    def work(self, number: int) -> None:
        """Read the dialogs of a file."""
        from stream.exports.saved import read_dialogs  # noqa: PLC0415 - as above
        from stream.sources.standard_input import as_file, input_name, is_pipe  # noqa: PLC0415 - as above

        given = self._files[number]
        with as_file(given) as path:
            self._dialogs += read_dialogs(path, input_name(given) if is_pipe(given) else "")

    def finish(self) -> None:
        """Write the dialogs."""
        if not self._dialogs:
            return
        from stream.exports.output import ResultWriter, stem_of  # noqa: PLC0415 - as above

        writer = ResultWriter(
            self._form,
            self._output,
            [stem_of(dialog.file) for dialog in self._dialogs],
            inputs=map(Path, self._files),
            several=len(self._dialogs) > 1,
        )
        for number, dialog in enumerate(self._dialogs):
            writer.add(number, dialog)
        writer.close()
