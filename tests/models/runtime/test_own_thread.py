"""An engine with a thread of its own gives the same answers, in that thread, and the thread ends with it."""

import gc
import threading
from collections.abc import Mapping

import numpy as np
import pytest
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.runtime.engine import Array, EngineError, Outputs, ServedName
from models.runtime.own_thread import OwnThread
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine

FACES = {"images": np.ones((2, 3, 96, 96), np.float32)}


class Watched(TorchEngine):
    """An engine that notes in which threads it is used."""

    def __init__(self, bundle: Bundle, threads: set[threading.Thread]) -> None:
        self.used = threads
        self.used.add(threading.current_thread())
        super().__init__(bundle)

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        self.used.add(threading.current_thread())
        return super().run(network, inputs)


def test_it_is_loaded_warmed_up_and_run_in_one_thread_that_ends_with_it(bundle: Bundle) -> None:
    threads: set[threading.Thread] = set()
    engine = OwnThread(lambda: Watched(bundle, threads))
    engine.warm_up()
    with Runtime(bundle, engine) as runtime:
        assert runtime.engine_state.name == "torch-cpu"
        assert runtime.audio(np.zeros(8_000, np.float32)).result(60.0) is not None
    np.testing.assert_array_equal(engine.run("face", FACES)["logits"], TorchEngine(bundle).run("face", FACES)["logits"])
    assert engine.describe().engine == "torch"
    (thread,) = threads
    assert thread is not threading.current_thread()
    del engine, runtime
    gc.collect()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_what_fails_in_it_fails_where_it_was_asked_for(bundle: Bundle) -> None:
    def load() -> TorchEngine:
        message = "no such device"
        raise EngineError(message)

    with pytest.raises(EngineError, match="no such device"):
        OwnThread(load)
    engine = OwnThread(lambda: TorchEngine(bundle))
    with pytest.raises(RuntimeError, match="channels"):
        engine.run("face", {"images": np.ones((1, 5, 96, 96), np.float32)})
    assert engine.run("face", FACES)["logits"].shape == (2, 7)


def test_nobody_waits_for_a_thread_that_is_gone(bundle: Bundle) -> None:
    engine = OwnThread(lambda: TorchEngine(bundle))
    engine._tasks.put((None,))  # type: ignore[arg-type] # no task: the thread breaks
    for _ in range(2):
        with pytest.raises(TypeError):
            engine.run("face", FACES)
