"""Batches of examples of about the same length, so that little of them is padding."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import numpy as np

Example = TypeVar("Example")

_POOL: Final = 16  # batches sorted by length together


def alike(
    examples: Sequence[Example], length: Callable[[Example], int], size: int, generator: np.random.Generator
) -> Iterator[list[Example]]:
    """Yield batches of examples of about the same length, in random order; none is left out.

    Args:
        examples: in random order.
        length: of one example.
        size: of a batch; one may be smaller.
        generator: of the batches' order.
    """
    batches: list[list[Example]] = []
    for start in range(0, len(examples), size * _POOL):
        pool = sorted(examples[start : start + size * _POOL], key=length)
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    for index in generator.permutation(len(batches)):
        yield batches[index]
