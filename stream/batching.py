"""Which of the waiting jobs are transcribed together. Pure."""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """What the choice rests on; ``language`` None: the model has to find it out, in this sound alone."""

    @property
    def language(self) -> str | None: ...  # noqa: D102

    @property
    def partial(self) -> bool: ...  # noqa: D102


T = TypeVar("T", bound=Waiting)


def next_batch(waiting: Sequence[T], limit: int) -> list[T]:
    """Return the first job and up to ``limit`` - 1 that can be heard with it, in their order; none of none.

    The first is the oldest final one, or without such the oldest partial one. With it go only jobs of its kind, so
    that no final one waits for the words of a partial one, and of its language, because the model is told one.
    """
    first = next((job for job in waiting if not job.partial), waiting[0] if waiting else None)
    if first is None:
        return []
    if first.language is None:
        return [first]
    alike = (job for job in waiting if (job.partial, job.language) == (first.partial, first.language))
    return list(islice(alike, limit))
