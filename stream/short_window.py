"""How much of Whisper's window of 30 s a sound needs."""

import math
from typing import Final

from stream.media import SAMPLE_RATE

WHOLE_FRAMES: Final = 3000
_FRAMES_PER_S: Final = 100
_STEP_FRAMES: Final = 50


def window_frames(samples: int, silence_ms: int) -> int:
    """Return how many of the 3,000 frames hold a sound and the silence after it; all of them for a longer one.

    Whisper was trained on windows of 30 s, with silence after a shorter sound. An utterance takes a few seconds, and
    the encoder's work grows with the window; but with too little silence the model repeats or drops words
    (benchmarks/asr_window.py), so some is left.
    """
    wanted = (samples / SAMPLE_RATE + silence_ms / 1000) * _FRAMES_PER_S
    return min(WHOLE_FRAMES, math.ceil(wanted / _STEP_FRAMES) * _STEP_FRAMES)
