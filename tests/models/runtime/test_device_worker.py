import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE_S, wait_until

from models.runtime.engine import INPUT_NAMES, Array, ServedName
from models.runtime.schedule import DeadlineExceededError, Schedule
from models.runtime.watchdog import HungError
from models.runtime.worker import Item, Outputs, Worker, join, split


def face(value: float, rows: int = 1, session: str = "", deadline_ms: float | None = None) -> Item:
    images = {"images": np.full((rows, 1), value, np.float32)}
    return Item("face", images, lambda out: float(out["logits"][0, 0]), session, "frame", deadline_ms)


def audio(frames: int, value: float = 0.0) -> Item:
    return Item("audio", {"images": np.full((1, 1, 1, frames), value, np.float32)}, lambda out: out["logits"])


def text(tokens: int) -> Item:
    inputs = {name: np.full((1, tokens), tokens, np.int64) for name in INPUT_NAMES["text"]}
    return Item("text", inputs, lambda out: out["logits"])


class GatedEngine:
    """Doubles its images; each run waits for its turn, so that a test decides what waits meanwhile.

    A NaN makes the run fail, as a device error would.
    """

    name = "gated"
    limit_s = 0.02

    def __init__(self) -> None:
        self.entered, self.turns = threading.Semaphore(0), threading.Semaphore(0)
        self.batches: list[list[float]] = []
        self.errors: list[BaseException] = []

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> dict[str, np.ndarray]:
        self.entered.release()
        assert self.turns.acquire(timeout=PATIENCE_S)
        if self.errors:
            raise self.errors.pop()
        images = np.asarray(inputs["images"], np.float32).reshape(len(inputs["images"]), -1)
        self.batches.append(images[:, 0].tolist())
        if np.isnan(images).any():
            message = f"{network} failed"
            raise OSError(message)
        return {"logits": images * 2}

    def let(self, runs: int) -> None:
        self.turns.release(runs)

    def wait_until_running(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_S)


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
def worker(engine: GatedEngine) -> Iterator[Worker]:
    started = Worker(engine, max_batch=4, queue_items=6)
    yield started
    engine.let(1000)
    started.close()


def result(future: "Future[float]") -> float:
    return future.result(PATIENCE_S)


def test_what_waits_while_the_device_is_busy_is_run_together(worker: Worker, engine: GatedEngine) -> None:
    first = worker.submit(face(1))
    engine.wait_until_running()
    others = [worker.submit(face(value)) for value in (2, 3, 4)]
    engine.let(2)
    assert [result(future) for future in (first, *others)] == [2, 4, 6, 8]
    assert engine.batches == [[1], [2, 3, 4]]


def test_what_was_run_and_what_waits_is_counted(worker: Worker, engine: GatedEngine) -> None:
    assert (worker.computed, worker.waiting) == ({}, {"utterance": 0, "frame": 0, "provisional": 0})
    first = worker.submit(face(1))
    engine.wait_until_running()
    others = [*(worker.submit(face(value)) for value in (2, 3)), worker.submit(audio(5, 3.0))]
    assert worker.waiting == {"utterance": 1, "frame": 2, "provisional": 0}
    engine.let(3)
    for future in (first, *others):
        future.result(PATIENCE_S)
    assert worker.waiting == {"utterance": 0, "frame": 0, "provisional": 0}
    computed = worker.computed
    assert {network: figures.sizes for network, figures in computed.items()} == {"face": {1: 1, 2: 1}, "audio": {1: 1}}
    assert (computed["face"].batches, computed["face"].requests) == (2, 3)
    assert computed["face"].seconds > 0


def test_an_error_reaches_exactly_the_futures_of_its_batch(worker: Worker, engine: GatedEngine) -> None:
    before = worker.submit(face(1))
    engine.wait_until_running()
    failing = [worker.submit(face(value)) for value in (2, float("nan"))]
    apart = worker.submit(audio(5, 3.0))
    engine.let(3)
    assert result(before) == 2
    for future in failing:
        with pytest.raises(OSError, match="face failed"):
            result(future)
    assert apart.result(PATIENCE_S)[0, 0] == 6
    engine.let(1)
    assert result(worker.submit(face(5))) == 10


def test_a_result_that_cannot_be_made_fails_alone(worker: Worker, engine: GatedEngine) -> None:
    def broken(_: Outputs) -> float:
        message = "unusable"
        raise ValueError(message)

    busy = worker.submit(face(0))
    engine.wait_until_running()
    bad = worker.submit(Item("face", {"images": np.ones((1, 1), np.float32)}, broken))
    good = worker.submit(face(2))
    engine.let(2)
    assert (result(busy), result(good)) == (0, 4)
    with pytest.raises(ValueError, match="unusable"):
        result(bad)


class Fatal(BaseException):
    """As the panics of libraries are: no Exception."""


def broken_callback(_: object) -> None:
    message = "no Exception"
    raise Fatal(message)


@pytest.mark.parametrize("error", [MemoryError("full"), SystemExit(3), Fatal("a panic")])
def test_whatever_an_engine_raises_fails_its_batch_and_the_worker_goes_on(
    worker: Worker, engine: GatedEngine, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    engine.errors.append(error)
    failing = worker.submit(face(1))
    engine.wait_until_running()
    queued = worker.submit(face(2))
    engine.let(2)
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        result(failing)
    assert raised.value is error or repr(error) in str(raised.value)
    assert result(queued) == 4
    assert worker.dropped == {("face", "failed"): 1}
    assert f"1 inputs failed: {type(error).__name__}" in caplog.text


def test_a_callback_that_breaks_costs_nobody_a_result(worker: Worker, engine: GatedEngine) -> None:
    busy = worker.submit(face(0))
    engine.wait_until_running()
    failing, good = [worker.submit(face(value)) for value in (1, 2)], worker.submit(audio(3, 4.0))
    for future in (*failing, busy):
        future.add_done_callback(broken_callback)
    engine.let(3)
    assert [result(future) for future in (busy, *failing)] == [0, 2, 4]
    assert good.result(PATIENCE_S)[0, 0] == 8
    assert worker.dropped == {}


def test_a_callback_that_breaks_on_an_error_keeps_it_from_nobody(worker: Worker, engine: GatedEngine) -> None:
    busy = worker.submit(face(0))
    engine.wait_until_running()
    failing = [worker.submit(face(value)) for value in (float("nan"), 2)]
    failing[0].add_done_callback(broken_callback)
    engine.let(2)
    for future in failing:
        with pytest.raises(OSError, match="face failed"):
            result(future)
    assert result(busy) == 0
    assert worker.dropped == {("face", "failed"): 2}
    engine.let(1)
    assert result(worker.submit(face(5))) == 10


def test_rows_that_do_not_fit_together_fail_and_the_worker_goes_on(worker: Worker, engine: GatedEngine) -> None:
    class Odd(Item):
        @property
        def group(self) -> tuple[object, ...]:
            return ("face",)

    busy = worker.submit(face(0))
    engine.wait_until_running()
    odd = [worker.submit(Odd("face", {"images": np.zeros((1, 1, side, 3))}, lambda out: out)) for side in (1, 2)]
    engine.let(2)
    for future in odd:
        with pytest.raises(ValueError, match="dimension"):
            result(future)
    engine.let(1)
    assert (result(busy), result(worker.submit(face(5)))) == (0, 10)


def test_a_future_that_was_used_before_fails_alone(worker: Worker, engine: GatedEngine) -> None:
    busy = worker.submit(face(0))
    engine.wait_until_running()
    used = face(1)
    used.future.set_result(-1.0)
    worker.submit(used)
    good = worker.submit(face(2))
    engine.let(2)
    assert (result(busy), result(used.future), result(good)) == (0, -1, 4)


def test_an_item_that_lacks_an_input_is_refused_and_not_kept(worker: Worker, engine: GatedEngine) -> None:
    with pytest.raises(KeyError, match="audio"):
        worker.submit(Item("fusion", {"text": np.zeros((1, 2, 3))}, lambda out: out["logits"]))
    engine.let(1)
    assert result(worker.submit(face(5))) == 10


def test_where_no_order_can_be_found_what_waits_fails_instead_of_waiting_for_ever(
    worker: Worker, engine: GatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = worker.submit(face(0))
    engine.wait_until_running()
    waiting = [worker.submit(face(value)) for value in (1, 2)]

    def no_order(*_: object) -> list[Item]:
        message = "no order"
        raise ArithmeticError(message)

    with monkeypatch.context() as patch:
        patch.setattr(worker._waiting, "_in_turn", no_order)
        engine.let(1)
        for future in waiting:
            with pytest.raises(ArithmeticError, match="no order"):
                result(future)
    engine.let(1)
    assert (result(busy), result(worker.submit(face(5)))) == (0, 10)
    assert worker.dropped == {("face", "failed"): 2}


def test_a_cancelled_item_is_not_run(worker: Worker, engine: GatedEngine) -> None:
    busy = worker.submit(face(1))
    engine.wait_until_running()
    unwanted, wanted = worker.submit(face(2)), worker.submit(face(3))
    assert unwanted.cancel()
    engine.let(2)
    assert (result(busy), result(wanted)) == (2, 6)
    assert engine.batches == [[1], [3]]


def test_submitting_waits_while_the_queue_is_full(worker: Worker, engine: GatedEngine) -> None:
    worker.submit(face(0))
    engine.wait_until_running()
    for value in range(6):
        worker.submit(face(value))
    submitted = threading.Event()

    def submit_one_more() -> None:
        worker.submit(face(9))
        submitted.set()

    thread = threading.Thread(target=submit_one_more)
    thread.start()
    while not worker._changed._waiters and not submitted.wait(0.01):  # type: ignore[attr-defined]
        pass  # until the thread either waits or, wrongly, does not
    assert len(worker._waiting) == 6
    assert not submitted.is_set()
    engine.let(1)
    assert submitted.wait(PATIENCE_S)
    engine.let(10)
    thread.join(PATIENCE_S)


def test_a_callback_may_submit_although_the_queue_is_full(worker: Worker, engine: GatedEngine) -> None:
    followed: Future[Future[float]] = Future()
    first = worker.submit(face(1))
    first.add_done_callback(lambda _: followed.set_result(worker.submit(face(7))))
    engine.wait_until_running()
    for _ in range(6):
        worker.submit(audio(3))
    worker._limit = 0
    engine.let(10)
    assert result(followed.result(PATIENCE_S)) == 14


def test_closing_finishes_the_batch_under_way_and_cancels_the_rest(worker: Worker, engine: GatedEngine) -> None:
    running = worker.submit(face(1))
    engine.wait_until_running()
    waiting = worker.submit(face(2))
    waiting.add_done_callback(lambda _: engine.let(1))
    worker.close()
    assert result(running) == 2
    with pytest.raises(CancelledError):
        result(waiting)
    assert not worker._thread.is_alive()
    with pytest.raises(RuntimeError, match="the runtime is closed"):
        worker.submit(face(3))
    worker.close()


def test_closing_wakes_who_waits_for_room(worker: Worker, engine: GatedEngine) -> None:
    worker.submit(face(0))
    engine.wait_until_running()
    last = [worker.submit(face(value)) for value in range(6)][-1]
    refused: Future[None] = Future()

    def submit_one_more() -> None:
        with pytest.raises(RuntimeError, match="closed"):
            worker.submit(face(9))
        refused.set_result(None)

    thread = threading.Thread(target=submit_one_more)
    thread.start()
    last.add_done_callback(lambda _: engine.let(1))
    worker.close()
    refused.result(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_a_worker_can_be_closed_from_a_callback(worker: Worker, engine: GatedEngine) -> None:
    future = worker.submit(face(1))
    future.add_done_callback(lambda _: worker.close())
    engine.let(1)
    worker._thread.join(PATIENCE_S)
    assert not worker._thread.is_alive()


class Clock:
    """A clock that stands still until it is set."""

    now_ms = 0.0

    def __call__(self) -> float:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patient(engine: GatedEngine, clock: Clock) -> Iterator[Worker]:
    """A worker that waits for company practically for ever, where company is likely."""
    started = Worker(engine, max_batch=4, queue_items=6, window_ms=1e9, clock=clock)
    yield started
    engine.let(1000)
    started.close()


def test_what_ends_an_utterance_is_run_before_images(worker: Worker, engine: GatedEngine) -> None:
    first = worker.submit(face(1))
    engine.wait_until_running()
    others = [worker.submit(face(2)), worker.submit(audio(1, 3.0))]
    engine.let(3)
    for future in (first, *others):
        future.result(PATIENCE_S)
    assert engine.batches == [[1], [3], [2]]


def test_a_batch_waits_for_the_other_session_but_a_session_alone_for_nobody(
    patient: Worker, engine: GatedEngine
) -> None:
    engine.let(10)
    alone = [result(patient.submit(face(value, session="a"))) for value in (1, 2)]
    waits = patient.submit(face(3, session="b"))
    together = result(patient.submit(face(4, session="a")))
    assert (*alone, result(waits), together) == (2, 4, 6, 8)
    assert engine.batches == [[1], [2], [3, 4]]


def test_a_image_past_its_deadline_is_not_run_told_and_counted(
    patient: Worker, engine: GatedEngine, clock: Clock
) -> None:
    running = patient.submit(face(1, deadline_ms=100))
    engine.wait_until_running()
    late, in_time = patient.submit(face(2, deadline_ms=499)), patient.submit(face(3, deadline_ms=500))
    clock.now_ms = 500
    engine.let(2)
    assert (result(running), result(in_time)) == (2, 6)
    with pytest.raises(DeadlineExceededError, match="the face network was busy for too long"):
        result(late)
    assert engine.batches == [[1], [3]]
    assert patient.dropped == {("face", "deadline"): 1}


def test_what_is_taken_back_is_counted(worker: Worker, engine: GatedEngine) -> None:
    first = worker.submit(face(1))
    engine.wait_until_running()
    assert worker.submit(audio(3)).cancel()
    second = worker.submit(face(2))
    engine.let(2)
    assert (result(first), result(second)) == (2, 4)
    assert worker.dropped == {("audio", "cancelled"): 1}


ITEMS = st.one_of(
    st.integers(1, 6).map(lambda rows: face(0, rows)),
    st.integers(1, 3).map(audio),
    st.integers(1, 9).map(text),
)


def taken(waiting: list[Item], max_batch: int) -> list[Item]:
    """Return what is run first of items that came together."""
    schedule: Schedule[Item] = Schedule(max_batch, 0)
    for item in waiting:
        schedule.add(item, 0)
    return schedule.take_batch(0)


@given(st.lists(ITEMS, min_size=1, max_size=12), st.integers(1, 5))
def test_every_item_gets_its_own_rows_back(waiting: list[Item], max_batch: int) -> None:
    items = taken(waiting, max_batch)
    name = INPUT_NAMES[items[0].network][0]
    batch = join(items)
    assert set(batch) == set(INPUT_NAMES[items[0].network])
    for item, rows in zip(items, split({"logits": np.asarray(batch[name], np.float32)}, items), strict=True):
        own = item.inputs[name]
        width = own.shape[1]
        np.testing.assert_array_equal(rows["logits"][:, :width], own)
        assert not rows["logits"][:, width:].any()


def test_sounds_of_another_length_and_other_networks_wait_for_their_own_batch() -> None:
    items = [audio(5), audio(6), text(3), audio(5), face(1)]
    assert taken(items, max_batch=8) == [items[0], items[3]]


def test_texts_of_any_length_share_a_batch() -> None:
    items = [text(3), face(1), text(5)]
    assert taken(items, max_batch=8) == [items[0], items[2]]
    np.testing.assert_array_equal(join([items[0], items[2]])["attention_mask"], [[3, 3, 3, 0, 0], [5, 5, 5, 5, 5]])


def test_nobody_waits_for_a_worker_that_is_gone(worker: Worker, engine: GatedEngine) -> None:
    first = worker.submit(face(1))
    engine.wait_until_running()
    waiting = [worker.submit(face(2)), worker.submit(audio(5, 3.0))]
    worker._next = leave  # type: ignore[method-assign] # the way out of a thread that no error of an item takes
    engine.let(1)
    assert result(first) == 2
    for future in waiting:
        with pytest.raises(RuntimeError, match="SystemExit"):
            future.result(PATIENCE_S)
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(face(3))


def leave() -> None:
    raise SystemExit(3)


def test_what_breaks_beside_the_engine_fails_its_batch_alone(
    worker: Worker, engine: GatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker._computed["face"], "note", lambda *_: leave())
        engine.let(1)
        with pytest.raises(RuntimeError, match="SystemExit"):
            worker.submit(face(1)).result(PATIENCE_S)
    engine.let(1)
    assert result(worker.submit(face(2))) == 4


@pytest.fixture
def watched(engine: GatedEngine) -> Iterator[Worker]:
    """A worker that gives up soon what its engine, which waits for its turn, does not answer to."""
    started = Worker(engine, max_batch=4, queue_items=2, limit_s=lambda: engine.limit_s)
    yield started
    engine.let(1000)
    started.close()


def test_an_engine_that_hangs_fails_its_batch_and_all_that_waits(watched: Worker, engine: GatedEngine) -> None:
    stuck = watched.submit(face(1))
    engine.wait_until_running()
    waiting = [watched.submit(face(2)), watched.submit(audio(5))]
    for future in (stuck, *waiting, watched.submit(face(3))):
        with pytest.raises(HungError, match="does not answer"):
            future.result(PATIENCE_S)
    assert watched.hangs
    assert watched.dropped == {("face", "timeout"): 3, ("audio", "timeout"): 1}


def test_who_waits_for_room_is_not_kept_by_an_engine_that_hangs(watched: Worker, engine: GatedEngine) -> None:
    watched.submit(face(1))
    engine.wait_until_running()
    asked = [watched.submit(face(value)) for value in range(8)]
    for future in asked:
        with pytest.raises(HungError):
            future.result(PATIENCE_S)


def test_an_engine_that_answers_again_is_used_again(watched: Worker, engine: GatedEngine) -> None:
    stuck = watched.submit(face(1))
    with pytest.raises(HungError):
        stuck.result(PATIENCE_S)
    engine.limit_s = PATIENCE_S
    engine.let(1000)
    wait_until(lambda: not watched.hangs)
    assert result(watched.submit(face(5))) == 10
    assert isinstance(stuck.exception(), HungError), "what comes too late is nobody's"


def test_a_worker_whose_engine_hangs_can_be_closed(watched: Worker, engine: GatedEngine) -> None:
    stuck = watched.submit(face(1))
    engine.wait_until_running()
    watched.close()
    with pytest.raises(HungError):
        stuck.result(PATIENCE_S)
    assert watched._thread.is_alive(), "nobody can end it"
