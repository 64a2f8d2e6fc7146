"""An engine that keeps to one thread: torch finds the CUDA graphs that it captured only in the thread that did it."""

import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from models.runtime.engine import Array, Engine, EngineInfo, Outputs, ServedName
from models.threads import watched_thread

Result = TypeVar("Result")
_Tasks = SimpleQueue[tuple[Callable[[], Any], "Future[Any]"] | None]


class OwnThread:
    """Loads, warms up and runs an engine in a thread of its own, which ends with this object.

    Whoever calls waits for it, so that it may be loaded by one thread and used by another, which costs some ten
    microseconds a batch.

    Args:
        load: gives the engine; what it raises is raised here.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._tasks: Final[_Tasks] = SimpleQueue()
        weakref.finalize(self, self._tasks.put, None)
        watched_thread("engine", partial(_work, self._tasks), partial(_refuse, self._tasks)).start()
        self._engine = self._do(load)

    @property
    def name(self) -> str:
        """Return the engine's name."""
        return self._engine.name

    def warm_up(self) -> None:
        """Do what the engine's does."""
        self._do(self._engine.warm_up)

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return what the engine's does, or raise that."""
        return self._do(lambda: self._engine.run(network, inputs))

    def describe(self) -> EngineInfo:
        """Return what the engine is and how it computes."""
        return self._engine.describe()

    def _do(self, task: Callable[[], Result]) -> Result:
        done: Future[Result] = Future()
        self._tasks.put((task, done))
        return done.result()


def _work(tasks: _Tasks) -> None:
    """Do the tasks until there is a None; it knows nothing of the engine, or that would never go."""
    while (asked := tasks.get()) is not None:
        _settle(*asked)
        del asked


def _settle(task: Callable[[], Any], done: "Future[Any]") -> None:
    try:
        done.set_result(task())
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        done.set_exception(error)


def _refuse(tasks: _Tasks, error: BaseException) -> None:
    """Let nobody wait for tasks that will not be done."""
    while (asked := tasks.get()) is not None:
        asked[1].set_exception(error)
