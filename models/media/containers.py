"""Opening media, the one door to it; which streams of a PyAV container to use, and when a frame is."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, overload

import av
from av.container import InputContainer, OutputContainer

# Old files have titles that are not UTF-8, and broken ones anything: what is read of them, nobody needs.
_METADATA_ERRORS: Final = "ignore"


def open_media(path: Path) -> InputContainer:
    """Open a media file.

    Raises:
        av.FFmpegError: it is missing, or no media.
    """
    # Absolute, so that no name can be taken for an FFmpeg protocol.
    return av.open(str(path.absolute()), metadata_errors=_METADATA_ERRORS)


def open_address(url: str, *, options: Mapping[str, str], open_s: float, read_s: float) -> InputContainer:
    """Open media at a network address.

    Args:
        url: of a protocol that FFmpeg knows.
        options: the protocol's own.
        open_s: seconds without an answer after which it can't be opened.
        read_s: the same for each later read.

    Raises:
        av.FFmpegError: it can't be reached, or is no media.
        OSError: the connection failed.
    """
    return av.open(url, options=dict(options), timeout=(open_s, read_s), metadata_errors=_METADATA_ERRORS)


def create_media(path: Path, options: Mapping[str, str] | None = None) -> OutputContainer:
    """Open a file for writing media, in the container that its ending names.

    Args:
        path: what is there already is replaced.
        options: the container's own.

    Raises:
        av.FFmpegError: it can't be written.
        ValueError: its name has no ending of media.
    """
    return av.open(str(path.absolute()), "w", options=dict(options or {}))


def audio_streams(container: InputContainer) -> list[av.AudioStream]:
    """Return the streams of sound that can be decoded, the one to prefer first."""
    best = container.streams.best("audio")
    found = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return sorted(found, key=lambda stream: stream is not best)


def video_stream(container: InputContainer) -> av.VideoStream | None:
    """Return the stream of images to use, or None; cover art is none."""
    moving = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    best = container.streams.best("video")
    return next((stream for stream in moving if stream is best), moving[0] if moving else None)


def stamp_ms(frame: av.AudioFrame | av.VideoFrame) -> float | None:
    """Return the raw time stamp of a frame in milliseconds, None if it has none."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    return None if stamp is None or frame.time_base is None else float(stamp * frame.time_base * 1000)


def origin_ms(container: InputContainer) -> float:
    """Return the raw time stamp of the container's first media; times in a file count from there."""
    return (container.start_time or 0) / 1000


def length_ms(container: InputContainer) -> float:
    """Return how long the media last, by the container or, where it does not say, by its last packet."""
    if container.duration:
        return container.duration / 1000
    ends = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base * 1000)
        for packet in container.demux()
        if packet.pts is not None and packet.time_base is not None
    ]
    container.seek(0)
    return max(ends, default=0.0) - origin_ms(container)


def seek(container: InputContainer, time_ms: float) -> None:
    """Go to the last place before a time, counted from the file's first media, from which can be decoded."""
    if time_ms > 0:
        with suppress(av.FFmpegError):  # what can't be sought is decoded from its start
            container.seek(round((time_ms + origin_ms(container)) * 1000))


@overload
def decoded(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]: ...
@overload
def decoded(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]: ...
def decoded(
    container: InputContainer, stream: av.AudioStream | av.VideoStream
) -> Iterator[av.AudioFrame] | Iterator[av.VideoFrame]:
    """Yield the frames of a stream; damaged packets, of which a seek can leave one, are skipped as live.

    Raises:
        av.FFmpegError: the container can't be read on, or nothing of it could be decoded.
    """
    damage: av.FFmpegError | None = None
    any_good = False
    packets: Iterator[av.Packet[Any]] = container.demux(stream)
    for packet in packets:
        try:
            frames = packet.decode()
        except av.InvalidDataError as error:
            damage = error
            continue
        any_good = any_good or bool(frames)
        yield from frames
    if damage is not None and not any_good:
        raise damage
