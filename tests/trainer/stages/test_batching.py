import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.fit.batching import alike


@given(st.lists(st.integers(1, 30), max_size=300), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_every_example_is_in_one_batch_of_the_size_asked_for(lengths: list[int], size: int, seed: int) -> None:
    batches = list(alike(lengths, int, size, np.random.default_rng(seed)))
    assert sorted(one for batch in batches for one in batch) == sorted(lengths)
    assert len(batches) == -(-len(lengths) // size)
    assert sum(len(batch) < size for batch in batches) <= 1


def test_examples_of_a_batch_are_about_as_long_and_the_batches_in_no_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 160).tolist()
    batches = list(alike(lengths, int, 10, np.random.default_rng(1)))
    assert max(max(batch) - min(batch) for batch in batches) < 20
    assert [min(batch) for batch in batches] != sorted(min(batch) for batch in batches)
