"""``m2fnet overlay``: what is analyzed drawn onto the frames, for a virtual camera or a file."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

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
from commands.outputs import STDOUT
from models.files.output_checks import require_apart
from stream.overlay.look import FADE_RANGE, SIZE_RANGE, Look, Position, parse_show

if TYPE_CHECKING:
    from stream.overlay.outputs import Output
    from stream.settings import Settings
    from stream.sources.base import Source

DEFAULT: Final = Look()


def overlay(
    camera: Camera = None,
    microphone: Microphone = None,
    source: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Instead of a camera: a media file, or an address.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, metavar="FILE", help="Write a video instead of a virtual camera."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="The virtual camera, such as /dev/video2; else the first.")
    ] = None,
    show: Annotated[
        str, typer.Option(metavar="LIST", help="Of name, emotion, transcript, bars, faces, with commas between.")
    ] = "emotion,transcript,faces",
    name: Annotated[str, typer.Option(metavar="TEXT", help="Who speaks, for --show name.")] = "",
    size: Annotated[
        int, typer.Option(help="Height of the text in pixels, 10 to 200; 0: as fits the frame.")
    ] = DEFAULT.size,
    position: Annotated[Position, typer.Option(help="Of the words in the frame.")] = DEFAULT.position,
    fade: Annotated[
        float,
        typer.Option(min=FADE_RANGE[0], max=FADE_RANGE[1], help="Seconds an utterance stays; 0: until the next."),
    ] = DEFAULT.fade_s,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames a second, at most.")] = 30.0,
    audio_track: AudioTrack = None,
    audio_channel: AudioChannel = None,
    enroll: Enroll = None,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Draw the emotions onto a camera's frames and give them to Zoom, Meet, Teams and the like as a virtual camera.

    Needs a virtual camera: the command says how to get one where there is none. docs/overlay.md has more.

    Examples:
        m2fnet overlay --camera 0 --microphone default

        m2fnet overlay --camera 0 --microphone default --show name,emotion,bars --name Ana --position top-left

        m2fnet overlay --source talk.mp4 --output talk-with-emotions.mp4
    """
    with told(verbose=verbose):
        look = _look(show, size, position, fade)
        settings = read_settings(
            config, [*(set_ or []), *sound_settings(audio_track, audio_channel), *speaker_settings(enroll)]
        )
        opened = _source(settings, camera, microphone, source, fps)
        read = getattr(opened, "path", None), config
        _run(settings, opened, _output(output, device, fps, filter(None, read)), look, name)


def _look(show: str, size: int, position: Position, fade: float) -> Look:
    try:
        elements = parse_show(show)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--show") from None
    if size and not SIZE_RANGE[0] <= size <= SIZE_RANGE[1]:
        message = f"{size} is not 0 or from {SIZE_RANGE[0]} to {SIZE_RANGE[1]}"
        raise typer.BadParameter(message, param_hint="--size")
    return Look(elements, size, position, fade)


def _source(
    settings: "Settings", camera: str | None, microphone: str | None, source: str | None, fps: float
) -> "Source":
    if (camera is None) == (source is None):
        what = "give either a camera or a source of frames: --camera 0, or --source FILE"
        raise typer.BadParameter(what, param_hint="--camera")
    if source is not None and microphone is not None:
        what = "a source brings its own sound; a microphone goes with a camera"
        raise typer.BadParameter(what, param_hint="--microphone")
    from stream.sources.open import open_local, require_files  # noqa: PLC0415 - loads torch, which the help must not wait for

    opened = open_local(settings, camera, microphone, [] if source is None else [source], max_fps=fps)
    require_files(opened)
    return opened[0]


def _output(path: Path | None, device: str | None, fps: float, inputs: Iterable[Path]) -> "Output":
    from stream.overlay.outputs import VideoFile, VirtualCamera  # noqa: PLC0415 - as above

    if path is None:
        return VirtualCamera(device, fps)
    if path == STDOUT:
        message = "a video can't be written to the standard output; name a file that ends in .mp4 or .mkv"
        raise typer.BadParameter(message, param_hint="--output")
    require_apart([path], inputs)
    return VideoFile(path, fps)


def _run(settings: "Settings", source: "Source", output: "Output", look: Look, name: str) -> None:
    from stream.live_models import LiveModels  # noqa: PLC0415 - as above
    from stream.overlay.run import show_overlay  # noqa: PLC0415 - as above
    from stream.session import Session  # noqa: PLC0415 - as above

    with err.status("loading the models"):
        models = LiveModels.load(settings)
    with closing(models), _stopped_by_signals() as stop:
        err.print(f"drawing to {output.name}; Ctrl-C stops", highlight=False, soft_wrap=True)
        shown = show_overlay(
            source, lambda emit: Session(models, settings, emit, speaker=name, live=True), output, look, stop
        )
    left_out = shown.dropped
    late = f"; {left_out.video_frames} frames left out for want of time" if left_out.video_frames else ""
    mute = f"; {left_out.audio_chunks} pieces of sound left out" if left_out.audio_chunks else ""
    err.print(f"{shown.frames} frames, {shown.totals.utterances} utterances{late}{mute}", highlight=False)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def on_signal(*_: object) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    for number in numbers:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()
