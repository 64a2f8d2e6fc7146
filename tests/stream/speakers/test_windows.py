"""Each bit of speech is heard once, in windows that do not depend on when they are asked for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from speech_clips import ONE_SENTENCE

from models.media.sound import read_sound
from stream.media import SAMPLE_RATE
from stream.speakers.windows import SHORTEST_MS, STEP_MS, WINDOW_MS, Extent, WindowSchedule, is_narrow

MILLISECONDS = st.integers(0, 1_000_000).map(float)


def all_due(start_ms: float, end_ms: float, asked_ms: list[float]) -> list[Extent]:
    schedule = WindowSchedule()
    schedule.begin(start_ms)
    return [extent for now_ms in [*sorted(asked_ms), end_ms] for extent in schedule.due(min(now_ms, end_ms))]


@given(MILLISECONDS, st.integers(0, 20_000).map(float), st.lists(st.integers(0, 1_020_000).map(float)))
def test_when_it_is_asked_makes_no_difference(start_ms: float, length_ms: float, asked_ms: list[float]) -> None:
    found = all_due(start_ms, start_ms + length_ms, asked_ms)
    assert found == all_due(start_ms, start_ms + length_ms, [])
    assert all(start_ms <= begin < end <= start_ms + length_ms for begin, end in found)
    assert len(found) == max(0, int((length_ms - WINDOW_MS) // STEP_MS) + 1) if length_ms >= WINDOW_MS else not found


@given(st.floats(0, 5_000))
def test_the_end_of_an_utterance_is_heard_too(length_ms: float) -> None:
    schedule = WindowSchedule()
    schedule.begin(0.0)
    due = schedule.due(length_ms)
    rest = schedule.rest(length_ms)
    if length_ms < SHORTEST_MS:
        assert rest is None
    else:
        reached_ms = rest[1] if rest else due[-1][1]
        assert length_ms - reached_ms < STEP_MS
    assert schedule.rest(length_ms) is None, "once"


def test_what_begins_at_a_cut_has_windows_already() -> None:
    schedule = WindowSchedule()
    schedule.begin(0.0)
    last_ms = schedule.due(3_000.0)[-1][1]
    schedule.begin(2_400.0)
    assert schedule.due(3_500.0) == []
    assert all(begin >= 2_400.0 and end > last_ms for begin, end in schedule.due(6_000.0))


def test_a_telephone_s_band_is_told_from_others() -> None:
    speech = read_sound(ONE_SENTENCE)
    spectrum = np.fft.rfft(speech)
    spectrum[np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE) > 3_400] = 0
    assert not is_narrow(speech)
    assert is_narrow(np.fft.irfft(spectrum, len(speech)).astype(np.float32))
