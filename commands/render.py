"""``m2fnet render``: a recorded or analyzed dialog in another form, without analyzing it again."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import Verbose, told
from stream.formats import Format


def render(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="The events of a recording (events.jsonl, or its folder), or JSON of m2fnet analyze.",
            show_default=False,
        ),
    ],
    format_: Annotated[Format, typer.Option("--format", "-f", help="Form of the dialog.")] = "text",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File to write, or a folder for a file of each dialog; standard output if not given.",
        ),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Write a dialog in another form: a report to read, captions for its video, a table, JSON.

    It takes what was recorded live and what was analyzed before, and loads no models.

    Examples:
        m2fnet render recordings/standup/events.jsonl --format html -o standup.html

        m2fnet analyze talk.mp4 --format json -o talk.json

        m2fnet render talk.json --format srt -o talk.srt
    """
    with told(verbose=verbose):
        from stream.output import require_output, write_results  # noqa: PLC0415 - imported when it runs, as cli.py says
        from stream.saved import read_dialogs  # noqa: PLC0415 - as above

        require_output(output)
        dialogs = [dialog for file in files for dialog in read_dialogs(file)]
        write_results(dialogs, format_, output, several=len(dialogs) > 1)
