"""The ``m2fnet`` command, a thin layer: it reads the arguments, calls what does the work, and tells errors in a line.

What a command needs is imported when it runs, so that ``--help`` answers at once and works without the models.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from commands.analyze import analyze
from commands.check import check
from commands.common import group, run_app
from commands.evaluate import evaluate
from commands.export import export
from commands.overlay import overlay
from commands.render import render
from commands.replay import replay
from commands.serve import serve
from commands.train import train

HELP: Final = "**M2FNet Live**: the emotion of every utterance of a conversation, live, from words, voice and face."

app = group(HELP)
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
app.command()(analyze)
app.command()(check)
app.command()(export)
app.command()(render)
app.command()(overlay)
app.command()(replay)
app.command()(serve)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - the help must not wait for it

        typer.echo(f"m2fnet {version('m2fnet-live')}")
        raise typer.Exit


@app.callback(help=HELP)
def of_all_commands(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, those of the process if none; ends the process."""
    run_app(app, "m2fnet", arguments)


if __name__ == "__main__":
    main()
