import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfreqz

from models.media.high_pass import CUTOFF_HZ, HighPass
from models.media.spectrogram import SAMPLE_RATE

SECOND = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def voice(seconds: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


@pytest.mark.parametrize("offset", [0.2, -0.9, 5.0])
def test_an_offset_from_the_start_leaves_no_trace(offset: float) -> None:
    filtered = HighPass()((voice() + np.float32(offset)).astype(np.float32))
    assert filtered == pytest.approx(HighPass()(voice()), abs=1e-6 * max(1, abs(offset)))


def test_a_step_is_gone_in_a_tenth_of_a_second() -> None:
    step = np.repeat(np.float32([0.0, 0.3]), SAMPLE_RATE)
    assert np.abs(HighPass()(step)[SAMPLE_RATE + SAMPLE_RATE // 10 :]).max() < 1e-4


@pytest.mark.parametrize("hertz", [10, 50, 60, 80, 120, 200, 1_000, 7_000])
def test_each_frequency_is_let_through_as_by_butterworths_filter(hertz: int) -> None:
    tone = np.sin(2 * np.pi * hertz * SECOND).astype(np.float32)
    filtered = HighPass()(tone)[SAMPLE_RATE // 2 :]
    sections = butter(4, CUTOFF_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    _, response = sosfreqz(sections, worN=[hertz], fs=SAMPLE_RATE)
    assert np.sqrt(2 * np.square(filtered).mean()) == pytest.approx(abs(response[0]), rel=0.01, abs=1e-3)


@given(st.lists(st.integers(0, 700), max_size=12))
def test_the_pieces_in_which_sound_comes_change_nothing(lengths: list[int]) -> None:
    sound = voice(0.3) + np.float32(0.2)
    one, whole = HighPass(), HighPass()(sound)
    pieces, at = [], 0
    for length in (*lengths, len(sound)):
        pieces.append(one(sound[at : at + length]))
        at += length
    assert np.concatenate(pieces) == pytest.approx(whole, abs=1e-7)


def test_no_sound_is_none() -> None:
    assert HighPass()(np.zeros(0, np.float32)).shape == (0,)
