import pytest

from stream.sources.backoff import Backoff
from stream.sources.tally import Tally


def test_waits_grow_to_the_longest_then_it_gives_up() -> None:
    backoff = Backoff(first_s=1, factor=3, longest_s=10, tries=4)
    assert [backoff.delay(failures) for failures in range(1, 6)] == [1, 3, 9, 10, None]


def test_many_tries_do_not_overflow() -> None:
    assert Backoff(tries=10**6).delay(10**6) == Backoff().longest_s


@pytest.mark.parametrize(("times", "said"), [(0, []), (1, [1]), (9, [1, 9]), (10, [1, 10]), (250, [1, 10, 100, 250])])
def test_trouble_is_said_rarely_and_counted_fully(times: int, said: list[int]) -> None:
    tally = Tally("test.trouble", "{count}")
    warnings = [*(tally.add() for _ in range(times)), tally.rest()]
    assert [int(warning.message) for warning in warnings if warning] == said
