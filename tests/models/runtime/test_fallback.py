"""An engine that fails in the middle gives way to the next one, and no batch is lost."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.runtime.engine import Array, EngineError, EngineInfo, Outputs, ServedName
from models.runtime.fallback import Candidate, Fallback, FallbackEngine, explained
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine

FACES = {"images": np.ones((2, 3, 96, 96), np.float32)}
SOUND = np.zeros(16_000, np.float32)


class Dying:
    """Torch that is gone after so many batches."""

    name = "dying-gpu"

    def __init__(self, bundle: Bundle, batches: int, error: Exception) -> None:
        self._engine, self._left, self._error = TorchEngine(bundle), batches, error

    def warm_up(self) -> None:
        pass

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        if self._left == 0:
            raise self._error
        self._left -= 1
        return self._engine.run(network, inputs)

    def describe(self) -> EngineInfo:
        return self._engine.describe()


def dying(batches: int, error: Exception | None = None) -> Candidate:
    cause = error or RuntimeError("the driver is gone")
    return Candidate("dying", lambda bundle: Dying(bundle, batches, cause))


def broken(reason: str) -> Candidate:
    def load(_: Bundle) -> TorchEngine:
        raise EngineError(reason)

    return Candidate("broken", load)


TORCH = Candidate("torch", TorchEngine)


@pytest.fixture
def reload(bundle: Bundle) -> Callable[[], Bundle]:
    return lambda: bundle


def test_a_batch_that_kills_its_engine_is_computed_by_the_next(
    bundle: Bundle, reload: Callable[[], Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Fallback] = []
    full = torch.OutOfMemoryError("CUDA out of memory")
    engine = FallbackEngine([dying(1, full), broken("no library"), TORCH], bundle, reload, on_fallback=told.append)
    first = engine.run("face", FACES)
    assert (engine.name, engine.fallbacks) == ("dying-gpu", [])
    with caplog.at_level(logging.WARNING):
        second = engine.run("face", FACES)
    np.testing.assert_array_equal(first["logits"], second["logits"])
    assert engine.name == "torch-cpu"
    assert engine.fallbacks == told
    assert [fallback.engine for fallback in told] == ["dying", "broken"]
    assert "lower runtime.max_batch" in told[0].reason
    assert "torch-cpu is used instead of dying" in caplog.text
    engine.run("face", FACES)
    assert len(told) == 2


def test_nothing_that_waits_is_lost(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    with Runtime(bundle, FallbackEngine([dying(2), TORCH], bundle, reload), max_batch=1) as runtime:
        waiting = [runtime.audio(SOUND) for _ in range(6)]
        heard = [future.result(PATIENCE_S) for future in waiting]
        assert runtime.engine_state.name == "torch-cpu"
    for branch in heard:
        np.testing.assert_array_equal(branch.embedding, heard[0].embedding)


def test_a_batch_that_no_engine_can_compute_is_at_fault_itself(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    engine = FallbackEngine([Candidate("first", TorchEngine), TORCH], bundle, reload)
    with pytest.raises(RuntimeError, match="channels"):
        engine.run("face", {"images": np.ones((1, 5, 96, 96), np.float32)})
    assert engine.fallbacks == []
    assert engine.run("face", FACES)["logits"].shape == (2, 7)


def test_the_last_engine_raises_its_own_error(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    engine = FallbackEngine([dying(0)], bundle, reload)
    with pytest.raises(RuntimeError, match="the driver is gone"):
        engine.run("face", FACES)


def test_where_none_starts_all_reasons_are_told(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    with pytest.raises(EngineError, match="no driver; no library"):
        FallbackEngine([broken("no driver"), broken("no library")], bundle, reload)


def test_an_engine_asked_for_is_not_replaced_at_the_start(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    with pytest.raises(EngineError, match=r"^no driver$"):
        FallbackEngine([broken("no driver"), TORCH], bundle, reload, required=True)
    engine = FallbackEngine([dying(0), TORCH], bundle, reload, required=True)
    assert engine.run("face", FACES)["logits"].shape == (2, 7)
    assert engine.describe().engine == "torch"


class Overflowing(TorchEngine):
    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        return {name: output * np.inf for name, output in super().run(network, inputs).items()}


def test_an_engine_without_finite_numbers_does_not_start(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    engine = FallbackEngine([Candidate("overflowing", Overflowing), TORCH], bundle, reload)
    assert engine.name == "torch-cpu"
    assert "no finite numbers" in engine.fallbacks[0].reason


def test_errors_are_told_in_a_line() -> None:
    assert explained(ImportError("libfoo.so: cannot open\nshared object")).startswith(
        "a package is missing or broken (libfoo.so: cannot open shared object)"
    )
    assert explained(ValueError("odd")) == "ValueError: odd"
    assert explained(MemoryError()).startswith("the memory is full (MemoryError): lower runtime.max_batch")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("cuDNN version incompatibility: compiled against (9, 1, 0) but found runtime version (8, 9, 0)"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        OSError("libcublas.so.13: cannot open shared object file"),
    ],
)
def test_cuda_libraries_that_do_not_fit_are_told_with_what_to_install(error: Exception) -> None:
    assert str(error) in explained(error)
    assert "update the NVIDIA driver, and install torch" in explained(error)


def test_the_memory_that_an_engine_lacks_is_found_by_the_next(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    def allocate_too_much() -> None:
        np.empty(2**62, np.uint8)

    with pytest.raises(MemoryError) as full:
        allocate_too_much()
    engine = FallbackEngine([dying(0, full.value), TORCH], bundle, reload)
    assert engine.run("face", FACES)["logits"].shape == (2, 7)
    assert "the memory is full (Unable to allocate" in engine.fallbacks[0].reason
