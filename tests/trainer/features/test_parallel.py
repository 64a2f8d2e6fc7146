import threading
from collections.abc import Iterator

import pytest
from waiting import PATIENCE_S

from trainer.features.parallel import in_parallel


def test_results_keep_the_order_of_their_items() -> None:
    second = threading.Event()

    def first_last(item: int) -> int:
        if item == 0:
            second.wait(PATIENCE_S)
        elif item == 1:
            second.set()
        return item * item

    assert list(in_parallel(first_last, range(8), workers=3)) == [item * item for item in range(8)]


def test_work_runs_ahead_but_not_far() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_parallel(lambda item: item, items(), workers=2)
    assert next(results) == 0
    assert len(taken) == 4
    assert next(results) == 1
    assert len(taken) == 5
    results.close()


def test_several_run_at_once() -> None:
    meeting = threading.Barrier(3)
    assert len(list(in_parallel(lambda _: meeting.wait(PATIENCE_S), range(3), workers=3))) == 3


def test_an_error_comes_out_where_its_item_is_and_ends_the_threads() -> None:
    def fail_at_two(item: int) -> int:
        if item == 2:
            message = "two"
            raise ValueError(message)
        return item

    results = in_parallel(fail_at_two, range(50), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
