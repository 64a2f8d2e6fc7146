import pytest

from stream.sources.tally import Tally


@pytest.mark.parametrize(("times", "said"), [(0, []), (1, [1]), (9, [1, 9]), (10, [1, 10]), (250, [1, 10, 100, 250])])
def test_trouble_is_said_rarely_and_counted_fully(times: int, said: list[int]) -> None:
    tally = Tally("test.trouble", "{count}")
    warnings = [*(tally.add() for _ in range(times)), tally.rest()]
    assert [int(warning.message) for warning in warnings if warning] == said
