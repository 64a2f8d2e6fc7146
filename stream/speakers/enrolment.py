"""People whose voices are known beforehand, each from a file in which they speak alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.user_error import UserError
from stream.media import SAMPLES_PER_MS, AudioChunk, Samples
from stream.speakers.windows import WINDOW_MS, WindowSchedule
from stream.speech.sound import Sound
from stream.speech.sound_intake import SoundIntake
from stream.speech.stretches import StretchFinder
from wire.settings import SegmenterSettings

_CHUNK: Final = 1_000 * SAMPLES_PER_MS
_TOGETHER: Final = 16  # windows of one request
_MOST: Final = 320  # windows, a minute of speech: more tells nothing new


class EnrolmentError(UserError):
    """Nobody's voice can be learned from a file; the message says why and what to do."""


def enrolled_voice(path: Path, runtime: Runtime, session: str) -> npt.NDArray[np.float32]:
    """Return the embeddings of whoever speaks in a file, ``(windows, dim)``; of a long one the beginning.

    Args:
        path: a media file in which one person speaks.
        runtime: has the speaker encoder.
        session: whose requests these are, for the runtime.

    Raises:
        EnrolmentError: the file can't be read, or nobody speaks in it for long enough.
    """
    try:
        sound = read_sound(path)
    except ValueError as error:
        raise EnrolmentError(str(error)) from error
    windows = [window for stretch in _stretches(sound) for window in _windows(stretch)][:_MOST]
    if not windows:
        message = f"{path} has no speech of {WINDOW_MS / 1000:g} s without a pause, which a voice is learned from"
        raise EnrolmentError(message)
    groups = (np.stack(windows[first : first + _TOGETHER]) for first in range(0, len(windows), _TOGETHER))
    return np.concatenate([runtime.speaker(group, session=session).result() for group in groups])


def _stretches(sound: Samples) -> Iterator[Sound]:
    intake = SoundIntake(lambda _: None)
    finder = StretchFinder(SegmenterSettings(), intake.detector)
    for first in range(0, len(sound), _CHUNK):
        chunk = AudioChunk(first / SAMPLES_PER_MS, sound[first : first + _CHUNK])
        yield from finder.push(intake.filtered(chunk))
    yield from finder.finish()


def _windows(stretch: Sound) -> Iterator[Samples]:
    schedule = WindowSchedule()
    schedule.begin(stretch.start_ms)
    for extent in schedule.due(stretch.end_ms):
        samples = stretch.between(*extent)
        if samples is not None:
            yield samples
