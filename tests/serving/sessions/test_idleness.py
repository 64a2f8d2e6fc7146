from hypothesis import given
from hypothesis import strategies as st

from serving.sessions.limits import IdleWatch


def test_it_warns_once_and_then_closes() -> None:
    watch = IdleWatch(100, now_s=5)
    assert watch.look_in_s(5) == 80
    assert watch.look(84) is None
    assert watch.look(85) == "warn"
    assert watch.look(86) is None
    assert watch.look_in_s(86) == 19
    assert watch.look(105) == "close"


def test_media_begins_it_anew() -> None:
    watch = IdleWatch(100, now_s=0)
    assert watch.look(80) == "warn"
    watch.media(90)
    assert watch.look(100) is None
    assert watch.look_in_s(100) == 70
    assert watch.look(170) == "warn"
    assert watch.look(190) == "close"


def test_without_a_limit_nothing_ever_happens() -> None:
    watch = IdleWatch(0, now_s=0)
    assert watch.look_in_s(1e9) is None
    assert watch.look(1e9) is None


@given(st.floats(0.1, 1_000), st.lists(st.tuples(st.floats(0, 2_000), st.booleans()), max_size=50))
def test_who_looks_when_told_to_misses_nothing(timeout_s: float, steps: list[tuple[float, bool]]) -> None:
    watch, now_s, media_s = IdleWatch(timeout_s, 0.0), 0.0, 0.0
    for wait_s, sends in steps:
        now_s += min(wait_s, watch.look_in_s(now_s) or wait_s)
        if sends:
            watch.media(now_s)
            media_s = now_s
        if watch.look(now_s) == "close":
            assert now_s - media_s >= timeout_s
            return
        assert now_s - media_s < timeout_s
