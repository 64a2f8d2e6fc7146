"""How a session's sound comes in: in the shape that the networks know, and looked at for what is wrong with it."""

from collections.abc import Callable
from dataclasses import replace

from models.media.high_pass import HighPass
from stream.media import AudioChunk
from stream.speech.loudness import LevelledDetector
from stream.speech.sound_check import SoundCheck
from stream.speech.vad import SpeechDetector
from wire.events import Event


class SoundIntake:
    """Filters one stream of sound, and warns where it is such as is heard badly.

    Args:
        emit: gets the warnings.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._high_pass, self._check = HighPass(), SoundCheck()
        self.detector = LevelledDetector(SpeechDetector(), self._check.window)
        """Gives the speech probability of each window of what was filtered, in order."""

    def filtered(self, chunk: AudioChunk) -> AudioChunk:
        """Take the next sound and return it without what is below the voice."""
        self._check.take(chunk.samples)
        return replace(chunk, samples=self._high_pass(chunk.samples))

    def warn(self, *, spoken: bool, ended: bool) -> None:
        """Tell what is newly known to be wrong; see :meth:`stream.speech.sound_check.SoundCheck.news`."""
        for warning in self._check.news(spoken=spoken, ended=ended):
            self._emit(warning)
