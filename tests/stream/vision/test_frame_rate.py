from hypothesis import given
from hypothesis import strategies as st

from stream.vision.frame_rate import FrameRate


def test_at_most_so_many_frames_a_second() -> None:
    rate = FrameRate(5, None)
    assert [time for time in range(0, 1000, 40) if rate.admits(time)] == [0, 200, 400, 600, 800]


def test_a_slow_machine_analyzes_fewer_frames() -> None:
    rate = FrameRate(5, 0.5)
    rate.admits(0)
    rate.spent(250)
    assert not rate.admits(400)
    assert rate.admits(500)


def test_offline_the_cost_changes_nothing() -> None:
    rate = FrameRate(5, None)
    rate.admits(0)
    rate.spent(10_000)
    assert rate.admits(200)


def test_time_that_jumps_back_does_not_stop_the_analysis() -> None:
    rate = FrameRate(5, None)
    rate.admits(10_000)
    assert rate.admits(0)


@given(st.lists(st.floats(0, 2_000), min_size=1), st.floats(0.1, 1))
def test_the_share_is_kept_on_average(costs: list[float], share: float) -> None:
    rate = FrameRate(60, share)
    for cost in costs:
        rate.spent(cost)
    assert rate.interval_ms >= min(costs) / share * 0.99 or rate.interval_ms >= 1000 / 60


def test_what_only_the_cost_keeps_out_is_counted() -> None:
    rate = FrameRate(5, 0.5)
    admitted = [0] if rate.admits(0) else []
    rate.spent(300)  # one in 600 ms instead of one in 200
    admitted += [time for time in range(40, 1200, 40) if rate.admits(time)]
    assert admitted == [0, 600]
    assert rate.passed_over == 4, "at 200, 400, 800 and 1000 ms"


@given(st.lists(st.floats(0, 500), min_size=1, max_size=60), st.floats(1, 30))
def test_offline_nothing_is_passed_over(steps: list[float], max_fps: float) -> None:
    rate, now = FrameRate(max_fps, None), 0.0
    for step in steps:
        now += step
        rate.admits(now)
        rate.spent(1_000)
    assert rate.passed_over == 0
