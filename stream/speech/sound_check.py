"""What is wrong with a participant's sound, told once a session: quiet, overdriven, something under the voice. Pure."""

from collections import deque
from statistics import median
from typing import Final, Literal

import numpy as np

from stream.media import SAMPLE_RATE, Samples
from stream.speech.loudness import QUIET_DB, SILENT_DB
from stream.speech.vad import WINDOW
from wire import events

SoundCode = Literal["sound.quiet", "sound.clipped", "sound.background"]

_SPEECH: Final = 0.5  # probability from which on a window counts as voice; beside music it is seldom more
_PAUSE: Final = 0.1  # and up to which as none
_REMEMBERED: Final = 30 * SAMPLE_RATE // WINDOW  # windows of each kind
_ENOUGH: Final = SAMPLE_RATE // 4 // WINDOW
_CLOSE_DB: Final = 8.0  # people in a room are 10 dB and more above it
_FULL: Final = 0.999
_CLIPPED_SHARE: Final = 0.01  # of the samples of speech


class SoundCheck:
    """Follows the sound of one session and says once each what makes its emotions less reliable."""

    def __init__(self) -> None:
        self._speech: deque[float] = deque(maxlen=_REMEMBERED)
        self._pauses: deque[float] = deque(maxlen=_REMEMBERED)
        self._loudest_db = SILENT_DB
        self._clipped = self._of_speech = 0  # samples
        self._spoken = False
        self._told: set[SoundCode] = set()

    def take(self, samples: Samples) -> None:
        """Take sound as it came."""
        self._clipped += int(np.count_nonzero(np.abs(samples) >= _FULL))

    def window(self, level_db: float, probability: float) -> None:
        """Take the level in decibels of the next window, after the high-pass filter, and its speech probability."""
        self._loudest_db = max(self._loudest_db, level_db)
        if probability >= _SPEECH:
            self._speech.append(level_db)
            self._of_speech += WINDOW
        elif probability <= _PAUSE and level_db > SILENT_DB:
            self._pauses.append(level_db)

    def news(self, *, spoken: bool, ended: bool) -> list[events.Warning]:
        """Return what is new.

        Args:
            spoken: an utterance has just ended.
            ended: no more sound comes.
        """
        self._spoken = self._spoken or spoken
        found: list[tuple[SoundCode, str]] = []
        if self._is_quiet(spoken=spoken, ended=ended):
            found.append(("sound.quiet", self._quiet_message()))
        if spoken and self._clipped > _CLIPPED_SHARE * max(self._of_speech, _ENOUGH * WINDOW):
            found.append(
                ("sound.clipped", "the sound is overdriven, which changes the voice: lower the microphone's level")
            )
        if spoken and self._background_is_close():
            found.append(("sound.background", _BACKGROUND))
        new = [(code, message) for code, message in found if code not in self._told]
        self._told |= {code for code, _ in new}
        return [events.Warning(code=code, message=message) for code, message in new]

    def _is_quiet(self, *, spoken: bool, ended: bool) -> bool:
        if spoken:
            return max(self._speech, default=0.0) < QUIET_DB
        return ended and not self._spoken and SILENT_DB < self._loudest_db < QUIET_DB

    def _quiet_message(self) -> str:
        if self._spoken:
            return f"speech is very quiet, at most {round(max(self._speech))} dB of full scale: {_RAISE}"
        return f"no speech was found; the sound is very quiet, at most {round(self._loudest_db)} dB: {_RAISE}"

    def _background_is_close(self) -> bool:
        if min(len(self._speech), len(self._pauses)) < _ENOUGH:
            return False
        return median(self._speech) - median(self._pauses) < _CLOSE_DB


_RAISE: Final = "raise the level of the microphone or of the recording"
_BACKGROUND: Final = (
    "music or noise goes on under the speech, nearly as loud, which changes how the voice sounds and may hide the ends "
    "of what is said: emotions are less reliable; lower it, or move the microphone closer"
)
