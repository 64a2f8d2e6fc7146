from concurrent.futures import Future

import pytest

from stream.dialog.steps import Run, Steps, waited


def doubled(number: "Future[int]", other: "Future[int]") -> Steps[int]:
    first: int = yield number
    try:
        second: int = yield other
    except ValueError:
        second = 0
    return 2 * (first + second)


def known(number: int) -> "Future[int]":
    future: Future[int] = Future()
    future.set_result(number)
    return future


def test_steps_whose_needs_are_there_are_waited_for() -> None:
    assert waited(doubled(known(1), known(2))) == 6


def test_they_go_on_as_far_as_that_needs_no_waiting() -> None:
    late: Future[int] = Future()
    run = Run(doubled(known(1), late))
    assert not run.advance()
    late.set_result(4)
    assert run.advance()
    assert run.result == 10


def test_an_error_is_raised_where_its_need_was_asked_for() -> None:
    failed: Future[int] = Future()
    failed.set_exception(ValueError("no number"))
    assert waited(doubled(known(1), failed)) == 2
    with pytest.raises(ValueError, match="no number"):
        waited(doubled(failed, known(1)))
    run = Run(doubled(failed, known(1)))
    assert run.advance()
    assert run.result is None


def test_what_is_cancelled_is_over_and_takes_back_what_it_needs() -> None:
    late: Future[int] = Future()
    run = Run(doubled(late, known(1)))
    run.advance()
    run.cancel()
    assert (late.cancelled(), run.advance(), run.result) == (True, True, None)


def test_what_has_not_begun_begins_nothing_once_it_is_cancelled() -> None:
    run = Run(doubled(known(1), known(1)))
    run.cancel()
    assert run.advance()
    assert run.result is None
