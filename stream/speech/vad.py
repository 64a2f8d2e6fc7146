"""Speech or not: the Silero VAD, one window at a time."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types

from stream.media import SAMPLE_RATE, Samples

WINDOW: Final = 512
"""Samples in a window, 32 ms: the only length the network takes at 16 kHz."""

_CONTEXT: Final = 64
_STATE_SHAPE: Final = (2, 1, 128)


class SpeechDetector:
    """The probability of speech in each window of one stream; remembers the windows before it.

    The network is loaded once a process and shared; a detector holds only its own recurrent state. Use one
    for each stream, from one thread at a time.
    """

    def __init__(self) -> None:
        self._network = _network()
        self._state = np.zeros(_STATE_SHAPE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def __call__(self, window: Samples) -> float:
        """Return the speech probability of ``(512,)`` float32 samples at 16 kHz.

        Raises:
            ValueError: the window has another length, or samples that are not finite.
        """
        if window.shape != (WINDOW,):
            message = f"a window is ({WINDOW},) samples, got {window.shape}"
            raise ValueError(message)
        if not np.isfinite(window).all():  # would stay in the recurrent state for good
            message = "the sound holds samples that are not finite"
            raise ValueError(message)
        probability, self._state = self._network.run(
            None,
            {"input": np.concatenate([self._context, window])[None], "state": self._state, "sr": _RATE},
        )
        self._context = window[-_CONTEXT:].copy()
        return float(probability[0, 0])

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = np.zeros(_STATE_SHAPE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)


_RATE: Final = np.array(SAMPLE_RATE, np.int64)


@cache
def _network() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # 0.1 ms a window: more threads only cost
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_weights()), options, providers=["CPUExecutionProvider"])


def _weights() -> Path:
    """Return the ONNX file of the installed package, found without importing it, which would import torch."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        message = "the voice activity detector is missing: pip install 'silero-vad>=6,<7'"
        raise FileNotFoundError(message)
    return Path(spec.origin).parent / "data" / "silero_vad.onnx"
