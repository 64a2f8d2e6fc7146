"""Whether an engine may take its time to get ready, which is asked wherever a network is converted or compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from models.runtime.engine import EngineError


class NotReadyError(EngineError):
    """An engine has to be built first, and whoever loads it does not want to wait for that."""


def _always() -> bool:
    return True


_may_build: Final[ContextVar[Callable[[], bool]]] = ContextVar("may_build", default=_always)


@contextmanager
def building_while(allowed: Callable[[], bool]) -> Iterator[None]:
    """Let this thread, within the block, begin what takes long only while ``allowed()`` holds."""
    token = _may_build.set(allowed)
    try:
        yield
    finally:
        _may_build.reset(token)


def require_time(what: str) -> None:
    """Call this before something that takes more than a few seconds.

    Args:
        what: takes so long, such as "converting a network".

    Raises:
        NotReadyError: nobody waits for it.
    """
    if not _may_build.get()():
        message = f"{what} takes long, and nobody waits for it"
        raise NotReadyError(message)
