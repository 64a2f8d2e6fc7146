"""Choosing a source by the text a user gives."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stream.settings import Settings
from stream.sources.base import Source
from stream.sources.camera import CameraSource
from stream.sources.capture import CaptureSource
from stream.sources.file import DEFAULT_MAX_FPS, FileSource
from stream.sources.microphone import MicrophoneSource
from stream.sources.network import AddressError, NetworkSource
from stream.sources.sound_tracks import ANY_SOUND, SoundChoice


def open_source(
    spec: str, *, realtime: bool, max_fps: float = DEFAULT_MAX_FPS, sound: SoundChoice = ANY_SOUND
) -> Source:
    """Return a source, not started, for a path, a ``file://`` or a network address.

    Whether it is there shows when it is started.

    Raises:
        AddressError: an address of an unknown kind, or the standard input; the message says what to do.
    """
    if spec == "-":
        message = "the standard input can't be played live; m2fnet analyze - analyzes what comes from it"
        raise AddressError(message)
    if (path := file_of_address(spec)) is not None:
        return FileSource(path, realtime=realtime, max_fps=max_fps, sound=sound)
    if "://" in spec:
        return NetworkSource(spec, realtime=realtime, max_fps=max_fps, sound=sound)
    return FileSource(Path(spec).expanduser(), realtime=realtime, max_fps=max_fps, sound=sound)


def file_of_address(spec: str) -> str | None:
    """Return the path in a ``file://`` address, None for anything else."""
    return url2pathname(urlsplit(spec).path) if spec.lower().startswith("file://") else None


def open_local(
    settings: Settings,
    camera: str | None,
    microphone: str | None,
    sources: Sequence[str],
    *,
    max_fps: float | None = None,
) -> list[Source]:
    """Return the sources of this machine, not started; raise :class:`AddressError` for what can't be one.

    ``max_fps``: frames a second at most; None: as many as are analyzed or shown as previews.
    """
    max_fps = max_fps or max(settings.vision.frames_a_second(live=True), settings.server.preview_fps)
    sound = SoundChoice(settings.sources.audio_track, settings.sources.audio_channel)
    opened = [open_source(spec, realtime=True, max_fps=max_fps, sound=sound) for spec in sources]
    return [*_open_devices(camera, microphone, max_fps), *opened]


def require_files(sources: Sequence[Source]) -> None:
    """Refuse files that can't be read, before anything slow is done; raise :class:`SourceError` for one."""
    for source in sources:
        if isinstance(source, FileSource):
            source.check()


def _open_devices(camera: str | None, microphone: str | None, max_fps: float) -> list[Source]:
    """Return the camera and the microphone, as one source when both are named."""
    if camera is not None and microphone is not None:
        return [CaptureSource(device(camera), device(microphone), max_fps=max_fps)]
    if camera is not None:
        return [CameraSource(device(camera), max_fps=max_fps)]
    return [MicrophoneSource(device(microphone))] if microphone is not None else []


def device(text: str) -> int | str:
    """Return the number of a device that was named by it, else its name or path."""
    return int(text) if text.isdecimal() else text
