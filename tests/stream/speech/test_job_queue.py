import threading
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.runtime.watchdog import HungError
from stream.speech.job_queue import AsrJob, JobQueue, QueueClosedError


def job(name: float, *, partial: bool = False, language: str | None = "en", session: str = "") -> AsrJob:
    return AsrJob(np.zeros(0, np.float32), name, language, partial, Future(), session)


def name_of(found: list[AsrJob]) -> float:
    (one,) = found
    return one.start_ms


def test_urgent_jobs_go_first_and_each_kind_in_order() -> None:
    queue = JobQueue(8)
    for number, partial in [(1, True), (2, False), (3, True), (4, False)]:
        queue.put(job(number, partial=partial))
    assert [name_of(queue.get()) for _ in range(4)] == [2, 4, 1, 3]


def test_the_oldest_partial_job_makes_room() -> None:
    queue = JobQueue(2)
    jobs = [job(0, partial=True), job(1, partial=True), job(2, partial=True), job(3)]
    for one in jobs:
        queue.put(one)
    assert [one.future.cancelled() for one in jobs] == [True, True, False, False]
    assert queue.dropped == 2
    assert [name_of(queue.get()) for _ in range(2)] == [3, 2]


def test_what_waits_is_counted_by_kind_without_the_cancelled() -> None:
    queue = JobQueue(8)
    jobs = [job(0), job(1, partial=True), job(2, partial=True)]
    for one in jobs:
        queue.put(one)
    jobs[1].future.cancel()
    assert queue.waiting == (1, 1)
    queue.get()
    assert queue.waiting == (0, 1)


def test_a_partial_job_is_dropped_when_only_others_wait() -> None:
    queue = JobQueue(1)
    queue.put(job(0))
    late = job(1, partial=True)
    queue.put(late)
    assert late.future.cancelled()
    assert queue.dropped == 1
    assert name_of(queue.get()) == 0


def test_cancelled_jobs_take_no_room_and_are_passed_over() -> None:
    queue = JobQueue(1)
    thrown_away = job(0)
    queue.put(thrown_away)
    assert thrown_away.future.cancel()
    queue.put(job(1))
    assert name_of(queue.get()) == 1
    assert queue.dropped == 0


def test_jobs_that_can_be_done_together_are_taken_together_without_the_cancelled() -> None:
    queue = JobQueue(8, 2)
    jobs = [job(0, partial=True), job(1), job(2), job(3), job(4), job(5, partial=True)]
    for one in jobs:
        queue.put(one)
    jobs[2].future.cancel()
    assert [one.start_ms for one in queue.get()] == [1, 3]
    assert [one.start_ms for one in queue.get()] == [4]
    assert [one.start_ms for one in queue.get()] == [0, 5]
    assert [one.future.running() for one in jobs] == [True, True, False, True, True, True]


def test_a_line_of_cancelled_jobs_only_is_empty() -> None:
    queue = JobQueue(4)
    jobs = [job(0), job(1, partial=True)]
    for one in jobs:
        queue.put(one)
        one.future.cancel()
    threading.Timer(0.05, queue.close).start()
    assert queue.get() == []


def test_a_job_taken_can_not_be_cancelled_any_more() -> None:
    queue = JobQueue(1)
    taken = job(0)
    queue.put(taken)
    queue.get()
    assert not taken.future.cancel()


def test_a_full_line_makes_the_submitter_wait_and_loses_nothing() -> None:
    queue = JobQueue(2)

    def produce() -> None:
        for number in range(50):
            queue.put(job(number))

    producer = threading.Thread(target=produce)
    producer.start()
    taken = []
    for _ in range(50):
        assert queue.waiting[0] <= 2
        taken.append(name_of(queue.get()))
    producer.join()
    assert taken == list(range(50))
    assert queue.dropped == 0


def test_closing_cancels_what_waits_and_frees_both_sides() -> None:
    queue = JobQueue(1)
    waiting = job(0)
    queue.put(waiting)
    refused = threading.Event()

    def late() -> None:
        with pytest.raises(QueueClosedError):
            queue.put(job(1))
        refused.set()

    producer = threading.Thread(target=late)
    producer.start()
    queue.close()
    producer.join()
    assert refused.is_set()
    assert waiting.future.cancelled()
    assert queue.get() == []


def test_a_callback_may_use_the_queue() -> None:
    queue = JobQueue(1)
    first = job(0, partial=True)
    first.future.add_done_callback(lambda _: queue.put(job(2, partial=True)))
    queue.put(first)
    queue.put(job(1))  # drops the first, whose callback finds the line full
    assert name_of(queue.get()) == 1
    assert queue.dropped == 2


@settings(deadline=None)  # timing is nothing a test should judge
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(st.sampled_from(["partial", "urgent", "take", "cancel"]), max_size=40),
)
def test_every_job_is_taken_dropped_or_waiting(size: int, limit: int, steps: list[str]) -> None:
    queue = JobQueue(size, limit)
    jobs: list[AsrJob] = []
    taken = cancelled = 0
    for step in steps:
        waiting = [one for one in jobs if not one.future.cancelled() and not one.future.running()]
        if step == "take" and waiting:
            batch = queue.get()
            assert 0 < len(batch) <= limit
            assert set(batch) <= set(waiting)
            taken += len(batch)
        elif step == "cancel" and waiting:
            cancelled += waiting[0].future.cancel()
        elif step == "partial" or (step == "urgent" and sum(not one.partial for one in waiting) < size):
            jobs.append(job(len(jobs), partial=step == "partial"))
            queue.put(jobs[-1])
    left = [one for one in jobs if not one.future.cancelled() and not one.future.running()]
    assert len(left) <= size
    assert len(jobs) == taken + cancelled + queue.dropped + len(left)
    assert all(one.partial for one in jobs if one.future.cancelled()) or cancelled


def test_sessions_take_turns_however_much_one_of_them_asks() -> None:
    queue = JobQueue(16)
    for number in range(5):
        queue.put(job(number, session="eager"))
    for number in (10, 11):
        queue.put(job(number, session="ann"))
    queue.put(job(20, session="ben"))
    assert [name_of(queue.get()) for _ in range(8)] == [0, 10, 20, 1, 11, 2, 3, 4]


def test_a_session_has_one_partial_job_waiting_the_newest() -> None:
    queue = JobQueue(16)
    jobs = [job(number, partial=True, session="eager") for number in range(9)]
    for one in (job(10, partial=True, session="ann"), *jobs):
        queue.put(one)
    assert queue.waiting == (0, 2)
    assert queue.dropped == 8
    assert [one.future.cancelled() for one in jobs] == [True] * 8 + [False]
    assert [name_of(queue.get()) for _ in range(2)] == [10, 8]


def test_a_session_of_which_nothing_waits_has_a_place_in_a_line_that_others_have_filled() -> None:
    queue = JobQueue(2)
    for number in range(2):
        queue.put(job(number, session="eager"))
    queue.put(job(10, session="ann"))
    assert queue.waiting == (3, 0)
    assert [name_of(queue.get()) for _ in range(3)] == [0, 10, 1]


@given(
    st.lists(st.tuples(st.sampled_from(["en", "de", None]), st.booleans(), st.sampled_from("abc")), max_size=12),
    st.integers(1, 8),
)
def test_a_batch_is_of_one_kind_and_language_and_what_is_final_goes_first(
    kinds: list[tuple[str | None, bool, str]], limit: int
) -> None:
    queue = JobQueue(100, limit)
    asked = [job(number, language=kind[0], partial=kind[1], session=kind[2]) for number, kind in enumerate(kinds)]
    for one in asked:
        queue.put(one)
    left = [one for one in asked if not one.future.cancelled()]
    while left:
        batch = queue.get()
        assert 0 < len(batch) <= limit
        assert len({(one.partial, one.language) for one in batch}) == 1
        assert len(batch) == 1 or batch[0].language is not None, "a language is detected in one sound alone"
        assert not batch[0].partial or all(one.partial for one in left)
        left = [one for one in left if one not in batch]
    assert queue.waiting == (0, 0)


def test_nobody_waits_for_room_in_a_line_that_nobody_takes_from() -> None:
    hangs = threading.Event()
    queue = JobQueue(1, hangs=hangs.is_set)
    queue.put(job(0, session="ann"))
    refused = threading.Event()

    def late() -> None:
        with pytest.raises(HungError):
            queue.put(job(1, session="ann"))
        refused.set()

    producer = threading.Thread(target=late)
    producer.start()
    hangs.set()
    assert [one.start_ms for one in queue.give_up()] == [0]
    producer.join()
    assert refused.is_set()
    with pytest.raises(HungError):
        queue.put(job(2))
