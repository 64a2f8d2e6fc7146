"""Reading the sound of a file, or of a stretch of it, as 16 kHz mono."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer

from models.media.containers import audio_streams, decoded, open_media, origin_ms, seek, stamp_ms
from models.media.high_pass import HighPass
from models.media.resample import Resampler, is_audible
from models.media.spectrogram import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

_LEAD_MS: Final = 500.0  # decoded before a stretch and thrown away: AAC and Opus start badly in the middle


class NoSoundError(ValueError):
    """A media file holds no sound."""


def read_sound(path: Path, start_ms: float = 0.0, end_ms: float | None = None) -> Samples:
    """Return ``(samples,)`` float32 in [-1, 1] at 16 kHz, all channels mixed; of several tracks the first not empty.

    Args:
        path: any media file.
        start_ms: where to start, counted from the file's first media; it is sought, not decoded up to.
        end_ms: where to stop; None: at the end. Of a stretch beyond the end there are fewer samples, or none.

    Raises:
        NoSoundError: the file has no stream of sound.
        ValueError: the file can't be opened or decoded.
    """
    try:
        return _read(path, start_ms, end_ms)
    except (OSError, av.FFmpegError) as error:
        message = f"{path} can't be read as sound: {error}"
        raise ValueError(message) from error


def read_voice(path: Path, start_ms: float = 0.0, end_ms: float | None = None) -> Samples:
    """Return sound as :func:`read_sound` does, and as a session hears it: without what lies below a voice.

    Raises:
        NoSoundError: the file has no stream of sound.
        ValueError: the file can't be opened or decoded.
    """
    return HighPass()(read_sound(path, start_ms, end_ms))


def _read(path: Path, start_ms: float, end_ms: float | None) -> Samples:
    """Return the sound of the first track in which there is any, of the first track if there is none."""
    first, more = _read_track(path, 0, start_ms, end_ms)
    others = (_read_track(path, place, start_ms, end_ms)[0] for place in range(1, more + 1))
    return next((sound for sound in itertools.chain([first], others) if is_audible(sound)), first)


def _read_track(path: Path, place: int, start_ms: float, end_ms: float | None) -> tuple[Samples, int]:
    """Return the sound of one track, and how many there are after it."""
    with open_media(path) as container:
        streams = audio_streams(container)
        if not streams:
            message = f"{path} has no sound"
            raise NoSoundError(message)
        return _stretch(container, streams[place], start_ms, end_ms), len(streams) - place - 1


def _stretch(container: InputContainer, stream: av.AudioStream, start_ms: float, end_ms: float | None) -> Samples:
    origin = origin_ms(container)
    seek(container, start_ms - _LEAD_MS)
    begin_ms: float | None = None
    resampler = Resampler()
    pieces: list[Samples] = []
    for frame in _until(decoded(container, stream), None if end_ms is None else end_ms + origin):
        begin_ms = (stamp_ms(frame) or origin) - origin if begin_ms is None else begin_ms
        pieces.append(resampler.push(frame))
    if begin_ms is None:
        return np.zeros(0, np.float32)
    sound = np.concatenate([*pieces, resampler.flush()])
    return _cut(sound, start_ms - begin_ms if start_ms > 0 else 0.0, None if end_ms is None else end_ms - begin_ms)


def _until(frames: Iterator[av.AudioFrame], end_ms: float | None) -> Iterator[av.AudioFrame]:
    for frame in frames:
        if end_ms is not None and (stamp_ms(frame) or 0.0) >= end_ms:
            return
        yield frame


def _cut(sound: Samples, start_ms: float, end_ms: float | None) -> Samples:
    first, last = (None if time is None else max(0, round(time * SAMPLE_RATE / 1000)) for time in (start_ms, end_ms))
    return sound[first:last]
