"""``m2fnet serve``: the live server."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from commands.common import (
    AudioChannel,
    AudioTrack,
    Camera,
    Config,
    Enroll,
    Microphone,
    Set,
    Verbose,
    err,
    read_settings,
    sound_settings,
    speaker_settings,
    told,
)
from models.files.output_checks import require_outside


def serve(
    camera: Camera = None,
    microphone: Microphone = None,
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
    enroll: Enroll = None,
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
        settings = read_settings(
            config, [*(set_ or []), *given, *sound_settings(audio_track, audio_channel), *speaker_settings(enroll)]
        )
        if settings.server.record is not None and settings.runtime.bundle is not None:
            require_outside([settings.server.record], [settings.runtime.bundle])
        from serving.run import run  # noqa: PLC0415 - see cli.py's docstring

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


def show_address(address: str, *, open_browser: bool, quiet: bool = False) -> None:
    """Print the address of the page, unless it is to be quiet, and open it where there is a desktop."""
    if not quiet:
        err.print(f"\n  Open [bold cyan]{address}[/] in a browser. Ctrl-C stops.\n", soft_wrap=True)
    if open_browser and has_desktop():
        webbrowser.open(address)


def has_desktop() -> bool:
    """Return whether a browser window could be seen here."""
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
