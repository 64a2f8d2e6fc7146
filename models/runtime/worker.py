"""One thread that owns the device: callers submit items and get Futures, what waits is run in batches."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from models.runtime.engine import INPUT_NAMES, Array, Engine, ServedName
from models.runtime.figures import BatchFigures, BatchTally
from models.runtime.schedule import DeadlineExceededError, DisplacedError, Priority, Schedule
from models.runtime.watchdog import HungError, Watchdog
from models.threads import as_exception, note_broken, watched_thread

_log: Final = logging.getLogger(__name__)
QUEUE_ITEMS: Final = 256
WINDOW_MS: Final = 5.0
TIMEOUT_S: Final = 60.0

DropReason = Literal["deadline", "displaced", "cancelled", "failed", "timeout"]
Outputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Item:
    """Rows for one network: every array ``(rows, …)``, and what makes a result of the rows that come out.

    ``deadline_ms`` is a time of :func:`now_ms`.
    """

    network: ServedName
    inputs: Mapping[str, Array]
    finish: Callable[[Outputs], Any]
    session: str = ""
    priority: Priority = "utterance"
    deadline_ms: float | None = None
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


def now_ms() -> float:
    """Return the time by the clock of deadlines, in milliseconds."""
    return time.monotonic() * 1000


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


class _Refusals:
    """Tells whoever waits for an item that nothing comes of it, and counts why; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[ServedName, DropReason]] = Counter()

    @property
    def counts(self) -> dict[tuple[ServedName, DropReason], int]:
        """Return how many items were not run, by network and reason."""
        with self._lock:
            return dict(self._counts)

    def alive(self, items: Sequence[Item]) -> list[Item]:
        """Return the items, now running, that nobody has cancelled; the others are counted."""
        alive = []
        for item in items:
            try:
                running = item.future.set_running_or_notify_cancel()
            except BaseException as error:  # noqa: BLE001 - a Future that was used before
                self.failed([item], error)
                continue
            if running:
                alive.append(item)
            else:
                self._count(item, "cancelled")
        return alive

    def cancelled(self, items: Sequence[Item]) -> None:
        """Take items back."""
        for item in items:
            item.future.cancel()
            self._count(item, "cancelled")

    def late(self, items: Sequence[Item]) -> None:
        """Fail running items that are past their deadline, or are provisional and in the way."""
        for item in items:
            if item.priority == "provisional":  # has no deadline
                self._count(item, "displaced")
                _refuse(item, DisplacedError(f"the {item.network} network had more urgent work"))
            else:
                self._count(item, "deadline")
                _refuse(item, DeadlineExceededError(f"the {item.network} network was busy for too long"))

    def unanswered(self, items: Sequence[Item]) -> None:
        """Fail items to which the engine does not answer."""
        for item in items:
            self._count(item, "timeout")
            _refuse(item, HungError(f"the engine does not answer: nothing comes of the {item.network} network"))

    def failed(self, items: Sequence[Item], error: BaseException) -> None:
        """Count, log and tell that items failed; one that has its result already has broken only in a callback."""
        _log.warning("%d inputs failed: %s: %s", len(items), type(error).__name__, error)
        _log.debug("the reason", exc_info=error)
        for item in items:
            if not item.future.done():
                self._count(item, "failed")
                _refuse(item, error)

    def _count(self, item: Item, reason: DropReason) -> None:
        with self._lock:
            self._counts[item.network, reason] += 1


def _refuse(item: Item, error: BaseException) -> None:
    """Fail an item's Future with an error that its caller can handle as such."""
    try:
        item.future.set_exception(as_exception(error))
    except BaseException:  # noqa: BLE001 - of a callback, or it was cancelled meanwhile
        _log.debug("a caller broke when it was told of an error", exc_info=True)


class Worker:
    """Runs submitted items on one engine, in the order of :mod:`models.runtime.schedule`.

    The queue is bounded: ``submit`` waits while it is full, except in a Future's own callback, which runs
    in the worker's thread and would wait for itself.

    Nothing that an engine, an item or a callback raises ends the thread: what it happened to fails with the error, is
    counted and logged, and the rest is run. Where an engine does not answer in time, its batch and all that waits fail
    with HungError, and so does whatever is submitted until it answers.

    Args:
        limit_s: tells how many seconds a batch may take; asked again while one is run.
        window_ms: how long a batch with room waits for company, where some is likely.
        clock: tells the time, in milliseconds.
    """

    def __init__(
        self,
        engine: Engine,
        max_batch: int,
        queue_items: int = QUEUE_ITEMS,
        window_ms: float = WINDOW_MS,
        clock: Callable[[], float] = now_ms,
        limit_s: Callable[[], float] = lambda: TIMEOUT_S,
    ) -> None:
        self._engine, self._limit, self._clock = engine, queue_items, clock
        self._waiting: Schedule[Item] = Schedule(max_batch, window_ms)
        self._refusals = _Refusals()
        self._computed = {network: BatchTally() for network in INPUT_NAMES}
        self._changed = threading.Condition()
        self._closed = False
        self._limit_s = limit_s
        self._watchdog: Watchdog[Item] = Watchdog("runtime-watch", self._give_up, limit_s())
        self._thread = watched_thread("runtime", self._work, self._broke)
        self._thread.start()

    def submit(self, item: Item) -> "Future[Any]":
        """Queue an item and return its Future, which fails with DeadlineExceededError once its deadline is past.

        Raises:
            RuntimeError: the worker is closed.
        """
        with self._changed:
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._closed or self._watchdog.hangs or len(self._waiting) < self._limit)
            if self._closed:
                message = "the runtime is closed"
                raise RuntimeError(message)
            hangs = self._watchdog.hangs
            if not hangs:
                self._waiting.add(item, self._clock())
                self._changed.notify_all()
        if hangs:
            self._refusals.unanswered([item])
        return item.future

    @property
    def dropped(self) -> dict[tuple[ServedName, DropReason], int]:
        """Return how many items were not run, by network and reason (:data:`DropReason`)."""
        return self._refusals.counts

    @property
    def computed(self) -> dict[ServedName, BatchFigures]:
        """Return what was run so far, by network; one that was never asked for is not in it."""
        figures = {network: tally.figures for network, tally in self._computed.items()}
        return {network: known for network, known in figures.items() if known.batches}

    @property
    def hangs(self) -> bool:
        """Return whether the engine does not answer."""
        return self._watchdog.hangs

    @property
    def waiting(self) -> dict[Priority, int]:
        """Return how many items wait, by their priority."""
        with self._changed:
            return self._waiting.counts()

    def close(self) -> None:
        """Finish the batch under way, cancel what waits, and end the thread, unless it hangs."""
        waiting = self._take_all(closing=True)
        self._refusals.cancelled(waiting)
        if threading.current_thread() is not self._thread:
            self._watchdog.join(self._thread)

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            late, batch = turn
            try:
                self._do(late, batch)
            except BaseException as error:  # noqa: BLE001 - nobody must wait for these; the next may go better
                note_broken("thread", "runtime", error)
                self._refusals.failed([*late, *batch], error)
        self._watchdog.close()

    def _do(self, late: list[Item], batch: list[Item]) -> None:
        self._refusals.late(self._refusals.alive(late))
        if alive := self._refusals.alive(batch):
            self._run(alive)

    def _broke(self, error: BaseException) -> None:
        """Let nobody wait for a thread that is gone."""
        waiting = self._take_all(closing=True)
        self._watchdog.close()
        self._refusals.failed(waiting, error)

    def _next(self) -> tuple[list[Item], list[Item]] | None:
        """Return what is late and what to run; if no order can be found, all that waits fails, or it would for ever."""
        try:
            return self._wait()
        except BaseException as error:  # noqa: BLE001 - whatever it is, callers must not wait for a dead thread
            waiting = self._take_all()
            self._refusals.failed(waiting, error)
            return [], []

    def _wait(self) -> tuple[list[Item], list[Item]] | None:
        """Wait until something is late or to be run, and return both; None once the worker is closed."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                late = self._waiting.take_late(now)
                batch = (
                    self._waiting.take_batch(now) if self._waiting and not late else []
                )  # what is taken must not be lost
                if late or batch:
                    self._changed.notify_all()
                    return late, batch
                wait_ms = self._waiting.wait_ms(now)
                self._changed.wait(None if wait_ms is None else wait_ms / 1000)
        return None

    def _take_all(self, *, closing: bool = False) -> list[Item]:
        """Return all that waits, and let nobody wait for room any more who finds the worker closed or hanging."""
        with self._changed:
            self._closed = self._closed or closing
            waiting = self._waiting.take_all()
            self._changed.notify_all()
        return waiting

    def _run(self, items: list[Item]) -> None:
        start = time.perf_counter()
        self._watchdog.begin(items, self._limit_s)
        try:
            outputs = split(self._engine.run(items[0].network, join(items)), items)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for this batch, not to this thread
            if not self._watchdog.end():
                self._refusals.failed(items, error)
            return
        if self._watchdog.end():
            _log.warning("the engine answers again, after %.0f s", time.perf_counter() - start)
            return
        self._computed[items[0].network].note(len(items), time.perf_counter() - start)
        for item, rows in zip(items, outputs, strict=True):
            self._finish(item, rows)

    def _finish(self, item: Item, rows: Outputs) -> None:
        try:
            item.future.set_result(item.finish(rows))
        except BaseException as error:  # noqa: BLE001 - the same, or raised by a callback
            self._refusals.failed([item], error)

    def _give_up(self, items: Sequence[Item], spent_s: float) -> None:
        """Fail a batch whose engine does not answer, and all that waits for it; in the watchdog's thread."""
        _log.error("the engine has not answered for %.0f s, with %s: see runtime.timeout_s", spent_s, items[0].network)
        waiting = self._take_all()
        self._refusals.unanswered([*items, *self._refusals.alive(waiting)])
