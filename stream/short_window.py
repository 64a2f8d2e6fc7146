"""Whisper's encoder on a window that fits the sound, in place of 30 s whatever the sound is."""

import math
from typing import Final

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from stream.media import SAMPLE_RATE

WHOLE_FRAMES: Final = 3000
_FRAMES_PER_S: Final = 100
_STEP_FRAMES: Final = 50


def window_frames(samples: int, silence_ms: int) -> int:
    """Return how many of the 3,000 frames hold a sound and the silence after it; all of them for a longer one."""
    wanted = (samples / SAMPLE_RATE + silence_ms / 1000) * _FRAMES_PER_S
    return min(WHOLE_FRAMES, math.ceil(wanted / _STEP_FRAMES) * _STEP_FRAMES)


class ShortWindowModel(WhisperModel):  # type: ignore[misc]  # faster-whisper has no types
    """A Whisper model that hears as much of each window as :attr:`frames` says.

    Whisper was trained on windows of 30 s, with silence after a shorter sound. An utterance takes a few seconds, and
    the encoder's work grows with the window; but with too little silence the model repeats or drops words
    (benchmarks/asr_window.py), so some is left.
    """

    frames: int = WHOLE_FRAMES

    def encode(self, features: npt.NDArray[np.float32]) -> ctranslate2.StorageView:
        """Return the encoder's states of features ``(…, mels, 3000)``, of their first ``frames``."""
        return super().encode(np.ascontiguousarray(features[..., : self.frames]))
