import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rooms.clock_offset import WINDOW_MS, ArrivalOffset


def test_nothing_is_known_before_any_media() -> None:
    assert ArrivalOffset().ms is None


def test_half_of_the_round_trip_is_not_the_clocks() -> None:
    offset = ArrivalOffset()
    offset.arrived(media_end_ms=100, now_ms=5_140, round_trip_ms=80)
    assert offset.ms == 5_000


@given(
    st.floats(-1e6, 1e6),
    st.floats(-300, 300),
    st.lists(st.floats(0, 2_000), min_size=400, max_size=400),
    st.integers(1, 20),
)
def test_late_media_and_drifting_clocks_move_it_little(
    true_ms: float, drift_ppm: float, delays_ms: list[float], punctual_every: int
) -> None:
    """In any half minute some media comes without delay: then the error is what the clocks drift in that time."""
    offset = ArrivalOffset()
    rate = 1 + drift_ppm / 1e6
    for index, delay in enumerate(delays_ms):
        media_ms = 1_000.0 * index
        now_ms = true_ms + media_ms * rate + (0 if index % punctual_every == 0 else delay)
        offset.arrived(media_ms, now_ms)
        assert offset.ms is not None
        true_now = true_ms + media_ms * (rate - 1)
        assert abs(offset.ms - true_now) <= abs(drift_ppm) / 1e6 * 2 * WINDOW_MS + 1e-3


def test_two_who_hear_the_same_at_the_same_time_agree() -> None:
    """Two participants joined at other times, over other networks, with other sound cards."""
    generator = np.random.default_rng(0)
    places = []
    for joined_ms, base_ms, ppm in ((3_000, 15.0, 80), (41_500, 120.0, -60)):
        offset = ArrivalOffset()
        for index in range(3_000):
            media_ms = 100.0 * (index + 1)
            wall_ms = joined_ms + media_ms * (1 + ppm / 1e6)
            delay = base_ms + generator.exponential(30)
            offset.arrived(media_ms, wall_ms + delay, round_trip_ms=2 * base_ms)
        assert offset.ms is not None
        heard_at_ms = 290_000.0
        media_then = (heard_at_ms - joined_ms) / (1 + ppm / 1e6)
        places.append(media_then + offset.ms)
    assert places[0] == pytest.approx(places[1], abs=20)


def test_memory_is_bounded() -> None:
    offset = ArrivalOffset()
    for index in range(100_000):
        offset.arrived(index * 20.0, index * 20.0)
    assert len(offset._least) <= WINDOW_MS / 500 + 2
