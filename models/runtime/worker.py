"""One thread that owns the device: callers submit items and get Futures, what waits is run in batches."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bundle import NetworkName
from models.runtime.engine import INPUT_NAMES, Array, Engine

QUEUE_ITEMS: Final = 256

Outputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Item:
    """Rows for one network: every array ``(rows, …)``, and what makes a result of the rows that come out."""

    network: NetworkName
    inputs: Mapping[str, Array]
    finish: Callable[[Outputs], Any]
    future: "Future[Any]" = field(default_factory=Future)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.inputs[INPUT_NAMES[self.network][0]])

    @property
    def group(self) -> tuple[object, ...]:
        """Return what items of one batch share: the network and, but for text, which is padded, the shape."""
        if self.network == "text":
            return (self.network,)
        return (self.network, *(self.inputs[name].shape[1:] for name in INPUT_NAMES[self.network]))


def next_batch(waiting: Sequence[Item], max_batch: int) -> list[int]:
    """Return the indices of what to run next: the oldest item, and all that fits beside it, in order.

    A batch has at most ``max_batch`` rows, unless a single item has more.
    """
    if not waiting:
        return []
    first, room = waiting[0], max_batch - waiting[0].rows
    chosen = [0]
    for index, item in enumerate(waiting):
        if index and item.rows <= room and item.group == first.group:
            chosen.append(index)
            room -= item.rows
    return chosen


def join(items: Sequence[Item]) -> dict[str, Array]:
    """Return the inputs of one batch, ``(all rows, …)``; token rows are padded with zeros at their end."""
    network = items[0].network
    return {name: _concatenate([item.inputs[name] for item in items]) for name in INPUT_NAMES[network]}


def _concatenate(arrays: Sequence[Array]) -> Array:
    if arrays[0].ndim == 2:  # noqa: PLR2004 - (rows, tokens): the only inputs whose lengths differ
        longest = max(array.shape[1] for array in arrays)
        arrays = [np.pad(array, ((0, 0), (0, longest - array.shape[1]))) for array in arrays]
    return np.concatenate(arrays)


def split(outputs: Outputs, items: Sequence[Item]) -> list[dict[str, npt.NDArray[np.float32]]]:
    """Return each item's rows of the outputs of their batch."""
    ends = np.cumsum([item.rows for item in items])
    return [
        {name: array[end - item.rows : end] for name, array in outputs.items()}
        for item, end in zip(items, ends, strict=True)
    ]


class Worker:
    """Runs submitted items on one engine, oldest first.

    The queue is bounded: ``submit`` waits while it is full, except in a Future's own callback, which runs
    in the worker's thread and would wait for itself.
    """

    def __init__(self, engine: Engine, max_batch: int, queue_items: int = QUEUE_ITEMS) -> None:
        self._engine, self._max_batch, self._limit = engine, max_batch, queue_items
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="runtime", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> "Future[Any]":
        """Queue an item and return its Future.

        Raises:
            RuntimeError: the worker is closed.
        """
        with self._changed:
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._limit)
            if self._closed:
                message = "the runtime is closed"
                raise RuntimeError(message)
            self._waiting.append(item)
            self._changed.notify_all()
        return item.future

    def close(self) -> None:
        """Finish the batch under way, cancel what waits, and end the thread."""
        with self._changed:
            self._closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for item in waiting:
            item.future.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while batch := self._take():
            alive = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if alive:
                self._run(alive)

    def _take(self) -> list[Item]:
        """Wait for the next batch; an empty one means the worker is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting))
            chosen = set(next_batch(self._waiting, self._max_batch))
            batch = [item for index, item in enumerate(self._waiting) if index in chosen]
            self._waiting = deque(item for index, item in enumerate(self._waiting) if index not in chosen)
            self._changed.notify_all()
        return batch

    def _run(self, items: list[Item]) -> None:
        try:
            outputs = split(self._engine.run(items[0].network, join(items)), items)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for this batch, not to this thread
            for item in items:
                item.future.set_exception(error)
            return
        for item, rows in zip(items, outputs, strict=True):
            _finish(item, rows)


def _finish(item: Item, rows: Outputs) -> None:
    try:
        result = item.finish(rows)
    except Exception as error:  # noqa: BLE001 - the same
        item.future.set_exception(error)
    else:
        item.future.set_result(result)
