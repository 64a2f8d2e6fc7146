import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.vision.delays import APART_MS, DELAYS_MS, TOGETHER_MS, Delays

logs = st.lists(st.floats(-50, 50), min_size=len(DELAYS_MS), max_size=len(DELAYS_MS)).map(np.array)


def likeliest(delays: Delays) -> int:
    return DELAYS_MS[int(np.argmax(delays.logs))]


def telling(delay_ms: int) -> np.ndarray:
    return np.array([3.0 if each == delay_ms else 0.0 for each in DELAYS_MS])


@pytest.mark.parametrize("apart_ms", [TOGETHER_MS, APART_MS])
def test_before_anything_is_heard_sound_and_picture_are_together(apart_ms: float) -> None:
    assert likeliest(Delays.within(apart_ms)) == 0


def test_what_utterances_tell_counts_for_the_next() -> None:
    delays = Delays.within(APART_MS)
    for number in range(3):
        delays = delays.before(1000 * number).after(1000 * number, telling(120))
    assert likeliest(delays.before(3000)) == 120


def test_an_utterance_that_goes_on_counts_once_and_as_it_was_last() -> None:
    delays = Delays.within(APART_MS)
    for told in (telling(-80), telling(-80), telling(160)):
        delays = delays.before(500).after(500, told)
        assert likeliest(delays.before(500)) == 0
    once = Delays.within(APART_MS).after(500, telling(160)).before(900)
    assert delays.before(900).logs == pytest.approx(once.logs)


def test_whatever_was_believed_can_be_unlearned() -> None:
    delays = Delays.within(APART_MS)
    for number, delay_ms in enumerate([160] * 50 + [-40] * 6):
        delays = delays.before(number).after(number, telling(delay_ms))
    assert likeliest(delays.before(99)) == -40


@given(st.lists(logs, max_size=6))
def test_the_delays_are_probabilities_whatever_is_told(told: list[np.ndarray]) -> None:
    delays = Delays.within(APART_MS)
    for number, each in enumerate(told):
        delays = delays.before(number).after(number, each)
        assert np.exp(delays.before(number + 1).logs).sum() == pytest.approx(1)
