"""Choosing a source by the text a user gives."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stream.sources.base import Source
from stream.sources.file import DEFAULT_MAX_FPS, FileSource
from stream.sources.network import NetworkSource
from stream.sources.sound_tracks import ANY_SOUND, SoundChoice


def open_source(
    spec: str, *, realtime: bool, max_fps: float = DEFAULT_MAX_FPS, sound: SoundChoice = ANY_SOUND
) -> Source:
    """Return a source, not started, for a path, a ``file://`` or a network address.

    Whether it is there shows when it is started.

    Raises:
        ValueError: an address of an unknown kind, or the standard input; the message says what to do.
    """
    if spec == "-":
        message = "the standard input can't be played live; m2fnet analyze - analyzes what comes from it"
        raise ValueError(message)
    if (path := file_of_address(spec)) is not None:
        return FileSource(path, realtime=realtime, max_fps=max_fps, sound=sound)
    if "://" in spec:
        return NetworkSource(spec, realtime=realtime, max_fps=max_fps, sound=sound)
    return FileSource(Path(spec).expanduser(), realtime=realtime, max_fps=max_fps, sound=sound)


def file_of_address(spec: str) -> str | None:
    """Return the path in a ``file://`` address, None for anything else."""
    return url2pathname(urlsplit(spec).path) if spec.lower().startswith("file://") else None
