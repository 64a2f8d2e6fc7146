"""Whisper hears an utterance and some silence, not always 30 s."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.media import SAMPLE_RATE
from stream.settings import TranscriberSettings
from stream.speech.whisper import WHOLE_FRAMES, Whisper, window_frames


@given(st.integers(0, 60 * SAMPLE_RATE), st.integers(1_000, 30_000))
def test_the_window_holds_the_sound_and_its_silence_and_is_never_more_than_whispers(samples: int, silence: int) -> None:
    frames = window_frames(samples, silence)
    assert frames <= WHOLE_FRAMES
    assert frames == WHOLE_FRAMES or frames >= samples / SAMPLE_RATE * 100 + silence / 10
    assert frames % 50 == 0


def test_the_encoder_is_given_no_more_and_the_whole_window_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    whisper = Whisper(TranscriberSettings(device="cpu", trailing_silence_ms=12_000))
    heard = []
    encode = whisper._model.model.encode

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(inner, name)

        def encode(self, features: object, *args: object, **kwargs: object) -> object:
            heard.append(features.shape[-1])
            return encode(features, *args, **kwargs)

    inner = whisper._model.model
    monkeypatch.setattr(whisper._model, "model", Spy())
    whisper.transcribe(np.zeros(2 * SAMPLE_RATE, np.float32), 0.0)
    assert heard == [1450, 3000]  # 2 s, 0.1 s of lead and 12 s, in steps of half a second; no words: again
