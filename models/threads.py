"""Threads whose end nobody overlooks: what ends one otherwise than by itself is logged, counted, and told who waits.

Where one thread hands work to another and that breaks, it would wait for ever. So every thread of the program is made
here, with what is to be done then.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Literal

Kind = Literal["thread", "task"]

_log: Final = logging.getLogger(__name__)
_broken: Final[Counter[str]] = Counter()
_lock: Final = threading.Lock()


def watched_thread(
    part: str, work: Callable[[], object], broke: Callable[[BaseException], object], *, name: str = ""
) -> threading.Thread:
    """Return a thread, not started, that does ``work``.

    It is a daemon: what a library is busy with must not keep the process from ending.

    Args:
        part: which part of the program it is, one of a few: it is counted by it.
        work: ends by itself, or is told to.
        broke: called in the thread with what broke ``work``: fails what waits for it, and all that comes later.
        name: of the thread; that of the part unless given.
    """

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody must wait for a thread that is gone
            note_broken("thread", part, error, name=name)
            broke(error)

    return threading.Thread(target=run, name=name or part, daemon=True)


def watch_future(part: str, future: "Future[Any]") -> None:
    """Note the error of a future that nobody waits for."""
    future.add_done_callback(partial(_note_future, part))


def note_broken(kind: Kind, part: str, error: BaseException, *, name: str = "") -> None:
    """Log and count that a thread or task broke."""
    with _lock:
        _broken[part] += 1
    _log.error("the %s %s broke", kind, name or part, exc_info=error, extra={"event": f"{kind}.broken"})


def as_exception(error: BaseException) -> Exception:
    """Return what broke one thread as what another that waited for it can handle."""
    return error if isinstance(error, Exception) else RuntimeError(f"a thread broke: {error!r}")


def broken_parts() -> Mapping[str, int]:
    """Return how often each part of the program broke since the process began; those that never did are not in it."""
    with _lock:
        return dict(_broken)


def _note_future(part: str, done: "Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        note_broken("thread", part, error)
