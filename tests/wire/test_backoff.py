import math

from hypothesis import example, given
from hypothesis import strategies as st

from wire.backoff import Backoff, Retry


def test_waits_grow_to_the_longest_then_it_gives_up() -> None:
    backoff = Backoff(Retry(first_s=1, longest_s=5, attempts=4))
    assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 5, None]


def test_many_tries_do_not_overflow() -> None:
    backoff = Backoff(Retry(attempts=10**6))
    backoff.attempt = 10**6 - 1
    assert backoff.next_s() == Retry().longest_s


def test_it_doubles_up_to_the_longest_and_begins_anew() -> None:
    backoff = Backoff(Retry(first_s=1, longest_s=5), chance=lambda: 0.0)
    assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_s() == 1


def test_it_gives_up_by_itself() -> None:
    backoff = Backoff(Retry())
    assert [backoff.next_s() is None for _ in range(12)] == [False] * 10 + [True] * 2


def test_it_gives_up() -> None:
    backoff = Backoff(Retry(attempts=2))
    assert [backoff.next_s() is None for _ in range(4)] == [False, False, True, True]


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 5_000))
@example(math.nextafter(1, 0), 0)
def test_the_waits_differ_and_stay_in_bounds(chance: float, tries: int) -> None:
    backoff = Backoff(Retry(first_s=0.5, longest_s=30, attempts=None), lambda: chance)
    backoff.attempt = tries
    wait = backoff.next_s()
    assert wait is not None
    assert 0.25 < wait <= 30
    assert math.isfinite(wait)
