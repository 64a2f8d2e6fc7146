"""Tasks whose end nobody overlooks: what ends one otherwise than by itself or on purpose is logged and told."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from models.threads import note_broken

Result = TypeVar("Result")


def watched_task(
    part: str, work: Coroutine[Any, Any, Result], broke: Callable[[], object] | None = None
) -> asyncio.Task[Result]:
    """Start a task in the running loop.

    Args:
        part: which part of the server it is, one of a few: it is counted by it.
        work: ends by itself, or is cancelled.
        broke: called in the loop when it was neither: ends what can't go on without it. None: all can.
    """
    task = asyncio.get_running_loop().create_task(work, name=part)
    task.add_done_callback(partial(_look, part, broke))
    return task


def _look(part: str, broke: Callable[[], object] | None, task: asyncio.Task[Any]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    note_broken("task", part, error)
    if broke is not None:
        broke()


def watch_callbacks() -> None:
    """See that errors of what the running loop calls by itself, later or for another thread, are logged and counted."""
    asyncio.get_running_loop().set_exception_handler(_look_at_callback)


def _look_at_callback(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        note_broken("task", "callback", error)
    else:
        loop.default_exception_handler(context)
