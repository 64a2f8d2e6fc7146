import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.speech.sample_buffer import SampleBuffer


@settings(deadline=None)  # timing is nothing a test should judge
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 60_000)), max_size=12))
def test_it_holds_what_came_and_was_not_forgotten(steps: list[tuple[int, int]]) -> None:
    buffer = SampleBuffer()
    everything = np.zeros(0, np.float32)
    start = 0
    for count, forget in steps:
        new = np.arange(len(everything), len(everything) + count, dtype=np.float32)
        everything = np.concatenate([everything, new])
        buffer.append(new)
        buffer.forget(forget)
        start = min(max(start, forget), len(everything))
        assert (buffer.start, buffer.end) == (start, len(everything))
        assert np.array_equal(buffer.read(start, buffer.end), everything[start:])


def test_what_is_read_does_not_change_later() -> None:
    buffer = SampleBuffer()
    buffer.append(np.ones(10, np.float32))
    part = buffer.read(0, 10)
    buffer.forget(10)
    buffer.append(np.zeros(40_000, np.float32))
    assert part.sum() == 10


@pytest.mark.parametrize(("start", "end"), [(0, 10), (5, 25), (15, 12)])
def test_reading_what_is_not_there_is_an_error(start: int, end: int) -> None:
    buffer = SampleBuffer()
    buffer.append(np.zeros(20, np.float32))
    buffer.forget(5)
    with pytest.raises(IndexError, match="not within"):
        buffer.read(start, end)
