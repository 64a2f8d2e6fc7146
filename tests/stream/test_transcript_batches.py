from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.batching import next_batch


@dataclass(frozen=True)
class Waits:
    number: int
    language: str | None
    partial: bool


@st.composite
def lines(draw: st.DrawFn) -> list[Waits]:
    kinds = draw(st.lists(st.tuples(st.sampled_from(["en", "de", None]), st.booleans()), max_size=12))
    return [Waits(number, language, partial) for number, (language, partial) in enumerate(kinds)]


@given(lines(), st.integers(1, 8))
def test_a_batch_is_of_one_kind_and_language_in_order_and_within_the_bound(waiting: list[Waits], limit: int) -> None:
    batch = next_batch(waiting, limit)
    assert len(batch) <= limit
    assert len({(job.partial, job.language) for job in batch}) <= 1
    assert all(one.number < other.number for one, other in pairwise(batch))


@given(lines(), st.integers(1, 8))
def test_final_jobs_go_first_and_the_oldest_in_any_case(waiting: list[Waits], limit: int) -> None:
    batch = next_batch(waiting, limit)
    assert bool(batch) == bool(waiting)
    if waiting:
        final = [job for job in waiting if not job.partial]
        assert batch[0] == (final or waiting)[0]


@given(lines(), st.integers(1, 8))
def test_nobody_alike_is_passed_over(waiting: list[Waits], limit: int) -> None:
    batch = next_batch(waiting, limit)
    if batch and len(batch) < limit and batch[0].language is not None:
        kind = (batch[0].partial, batch[0].language)
        assert batch == [job for job in waiting if (job.partial, job.language) == kind]


@given(lines(), st.integers(1, 8))
def test_a_sound_whose_language_must_be_detected_is_heard_alone(waiting: list[Waits], limit: int) -> None:
    batch = next_batch(waiting, limit)
    if batch and batch[0].language is None:
        assert len(batch) == 1


@given(lines(), st.integers(1, 8))
def test_taking_batches_empties_the_line_without_loss(waiting: list[Waits], limit: int) -> None:
    taken: list[Waits] = []
    left = list(waiting)
    while batch := next_batch(left, limit):
        taken += batch
        left = [job for job in left if job not in batch]
    assert not left
    assert sorted(taken, key=lambda job: job.number) == waiting
    assert [job.partial for job in taken] == sorted(job.partial for job in taken)
