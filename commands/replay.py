"""The ``replay`` command: a recording gone through again."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import Verbose, told
from commands.outputs import destination
from models.runtime.names import EngineName


def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A recording: a folder that serve --record made.", show_default=False)
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the events, as JSON lines; else standard output."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the recorded events; exit with 1 if any is different.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Other trained weights than those recorded with.")
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Another engine than the one recorded with.")] = None,
    verbose: Verbose = False,
) -> None:
    """Compute the events of a recording again from its media, and print them as JSON lines.

    Examples:
        m2fnet replay recordings/20260102T090000Z-standup

        m2fnet replay recordings/20260102T090000Z-standup --check
    """
    with told(verbose=verbose):
        from stream.recording.replay import replay_command  # noqa: PLC0415 - loads the models, which --help does not need

        raise typer.Exit(replay_command(folder, destination(output), check=check, bundle=bundle, engine=engine))
