"""The ``m2fnet`` command, a thin layer: it reads the arguments, calls what does the work, and tells errors in a line.

What a command needs is imported when it runs, so that ``--help`` answers at once and works without the models.
"""

import os
import sys
import webbrowser
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer

from commands.analyze import analyze
from commands.check import check
from commands.common import AudioChannel, AudioTrack, Config, Set, Verbose, err, group, sound_settings, told
from commands.evaluate import evaluate
from commands.export import export
from commands.overlay import overlay
from commands.render import render
from commands.replay import replay
from commands.train import train
from models.output_checks import require_outside
from stream.config import load_settings

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


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"m2fnet {version('m2fnet-live')}")
        raise typer.Exit


@app.callback(help=HELP)
def of_all_commands(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def show_address(address: str, *, open_browser: bool, quiet: bool = False) -> None:
    """Print the address of the page, unless it is to be quiet, and open it where there is a desktop."""
    if not quiet:
        err.print(f"\n  Open [bold cyan]{address}[/] in a browser. Ctrl-C stops.\n", soft_wrap=True)
    if open_browser and has_desktop():
        webbrowser.open(address)


def has_desktop() -> bool:
    """Return whether a browser window could be seen here."""
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@app.command()
def serve(
    camera: Annotated[
        str | None, typer.Option(metavar="INDEX|PATH", help="A camera of this machine, such as 0.")
    ] = None,
    microphone: Annotated[
        str | None,
        typer.Option(metavar="NAME|INDEX", help="A microphone of this machine; 'default' for the usual one."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|URL", help="A media file, or an rtsp://, http:// address; may be given several times."
        ),
    ] = None,
    room: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make all these participants of one room, with one dialog.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8765 unless set, 0 takes any free one.")] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record media and events of all sessions there; everyone is told so."),
    ] = None,
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="Stop when all sources have ended.")] = False,
    wait_for_watcher: Annotated[
        bool, typer.Option("--wait-for-watcher", help="Start the sources when somebody first opens the page.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser, where there is one.")
    ] = False,
    audio_track: AudioTrack = None,
    audio_channel: AudioChannel = None,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Analyze cameras, microphones, files and streams live, and serve the page that shows it.

    Without any source it waits for browsers and other clients to bring their media (docs/protocol.md).

    Examples:

        m2fnet serve --camera 0 --microphone default

        m2fnet serve --source talk.mp4 --source rtsp://camera.local/stream

        m2fnet serve --port 9000 --set vision.max_fps=3
    """
    with told(verbose=verbose):
        chosen = [("host", host), ("port", port), ("record", record and record.absolute())]
        given = [f"server.{key}={value}" for key, value in chosen if value is not None]
        settings = load_settings(config, [*(set_ or []), *given, *sound_settings(audio_track, audio_channel)])
        if settings.server.record is not None and settings.runtime.bundle is not None:
            require_outside([settings.server.record], [settings.runtime.bundle])
        from server import run  # noqa: PLC0415 - see the module's docstring

        code = run(
            settings,
            camera=camera,
            microphone=microphone,
            sources=source or [],
            room=room,
            exit_when_done=exit_when_done,
            wait_for_watcher=wait_for_watcher,
            # A log of JSON lines goes to a program, which gets nothing else; the address is in it too.
            on_ready=lambda address: show_address(
                address, open_browser=open_browser, quiet=settings.server.log_format == "json"
            ),
        )
        raise typer.Exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, those of the process if none; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a character must not cost a result
            stream.reconfigure(errors="backslashreplace")
    app(args=arguments, prog_name="m2fnet")


if __name__ == "__main__":
    main()
