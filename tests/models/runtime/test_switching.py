"""A server does not wait for its engine to be built: another one computes until then."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from waiting import PATIENCE_S, wait_until

from models.bundle import Bundle, load_bundle
from models.dialog_window import Window
from models.runtime.engine import Array, EngineError, Outputs, ServedName
from models.runtime.fallback import Candidate, Fallback
from models.runtime.names import EngineName
from models.runtime.onnx_engine import OnnxRuntimeEngine
from models.runtime.openvino_engine import OpenVinoEngine
from models.runtime.readiness import NotReadyError, building_while, require_time
from models.runtime.runtime import Branch, Runtime
from models.runtime.select import choose_live_engine
from models.runtime.switching import EngineState, SwitchingEngine
from models.runtime.torch_engine import TorchEngine

FACES = {"images": np.ones((2, 3, 96, 96), np.float32)}
SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, 8_000).astype(np.float32)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="other engines are taken on a GPU")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "m2fnet-live"


@pytest.fixture
def reload(bundle_folder: Path) -> Callable[[], Bundle]:
    return partial(load_bundle, bundle_folder)


class Held(TorchEngine):
    """An engine that takes long to build once it has ``begun``: until ``gate`` opens, or it fails with ``error``."""

    def __init__(
        self,
        bundle: Bundle,
        gate: threading.Event,
        error: Exception | None = None,
        begun: threading.Event | None = None,
    ) -> None:
        require_time("building it")
        if begun is not None:
            begun.set()
        assert gate.wait(PATIENCE_S)
        if error is not None:
            raise error
        super().__init__(bundle)
        self.name = "held"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def held(gate: threading.Event, error: Exception | None = None, begun: threading.Event | None = None) -> Candidate:
    return Candidate("held", lambda bundle: Held(bundle, gate, error, begun))


def broken(_: Bundle) -> TorchEngine:
    message = "no such package"
    raise EngineError(message)


class Failing(TorchEngine):
    """An engine that fails on every batch once it is warm."""

    warm = False

    def warm_up(self) -> None:
        super().warm_up()
        self.warm = True

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        if self.warm:
            message = "out of order"
            raise RuntimeError(message)
        return super().run(network, inputs)


TORCH = Candidate("torch", TorchEngine)


def all_of(runtime: Runtime) -> np.ndarray:
    """Return probabilities of every kind of request, in one array."""
    heard = runtime.audio(SOUND)
    seen = runtime.faces(np.arange(48 * 48, dtype=np.uint8).reshape(1, 48, 48))
    branch = heard.result(PATIENCE_S)
    assert isinstance(branch, Branch)
    fused = runtime.fuse(Window([None], [branch.embedding], [None], [None]))
    return np.stack([branch.probabilities, seen.result(PATIENCE_S)[0].probabilities, fused.result(PATIENCE_S)[0]])


@no_gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.usefixtures("cache")
def test_torch_serves_until_the_engine_is_built_and_nothing_is_lost(bundle_folder: Path, name: EngineName) -> None:
    with closing(Runtime.load(bundle_folder, name, build_in_background=True)) as runtime:
        assert runtime.engine_state == EngineState("torch-cpu", name)
        before, answers = all_of(runtime), []
        while runtime.engine_state.building is not None:
            answers.append(all_of(runtime))
        after = all_of(runtime)
        assert (runtime.engine_state, runtime.fallbacks) == (EngineState(f"{name}-cpu"), [])
    assert answers, "it served while it built"
    for answer in (*answers, after):
        np.testing.assert_allclose(answer, before, atol=1e-3)


@pytest.fixture
def words(bundle: Bundle) -> Bundle:
    """A bundle of the two networks that are converted in no time."""
    config = bundle.config.model_copy(update={"networks": ("text", "fusion")})
    return replace(bundle, config=config, audio=None, face=None)


@no_gpu
@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine"), [("openvino", OpenVinoEngine), ("onnxruntime", OnnxRuntimeEngine)])
def test_an_engine_whose_networks_are_in_the_cache_is_taken_at_once(
    words: Bundle, cache: Path, name: EngineName, engine: Callable[[Bundle], object]
) -> None:
    engine(words)
    assert any(cache.iterdir())
    assert choose_live_engine(name, words, reload=lambda: words).state == EngineState(f"{name}-cpu")


@no_gpu
@pytest.mark.slow
@pytest.mark.parametrize(("name", "weights"), [("openvino", "model.bin"), ("onnxruntime", "model.onnx")])
def test_a_network_cut_short_in_the_cache_is_converted_again_while_another_engine_serves(
    words: Bundle, cache: Path, name: EngineName, weights: str, caplog: pytest.LogCaptureFixture
) -> None:
    choose_live_engine(name, words, reload=lambda: words)._thread.join(PATIENCE_S)
    for file in cache.rglob(weights):
        file.write_bytes(file.read_bytes()[:-100])
    started = choose_live_engine(name, words, reload=lambda: words)
    assert started.state == EngineState("torch-cpu", name)
    assert "can't be read (its files are not what was written); it is converted again" in caplog.text
    started._thread.join(PATIENCE_S)
    assert started.state == EngineState(f"{name}-cpu")
    assert choose_live_engine(name, words, reload=lambda: words).state == EngineState(f"{name}-cpu")


@pytest.mark.parametrize("name", ["torch-compiled"])
def test_compiling_is_never_waited_for(bundle: Bundle, name: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SwitchingEngine, "_build", lambda *_: None)  # it takes minutes
    started = choose_live_engine(name, bundle, reload=lambda: bundle)
    assert started.state.building == "torch-compiled"
    assert started.name.startswith("torch-c")
    assert started.describe().engine == "torch"


def test_the_switch_comes_between_two_batches(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        engine = SwitchingEngine([held(gate), TORCH], bundle, reload)
        assert engine.state == EngineState("torch-cpu", "held")
        first = engine.run("face", FACES)
        gate.set()
        engine._thread.join(PATIENCE_S)
    assert engine.state == EngineState("held")
    np.testing.assert_array_equal(engine.run("face", FACES)["logits"], first["logits"])
    assert "held is being built; torch-cpu stands in until it is ready" in caplog.text
    assert "held is ready and takes over from torch-cpu" in caplog.text


def test_an_engine_that_took_over_and_fails_gives_way_to_the_one_that_stood_in(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    def load(loaded: Bundle) -> Failing:
        Held(loaded, gate)
        return Failing(loaded)

    engine = SwitchingEngine([Candidate("failing", load), TORCH], bundle, reload)
    expected = engine.run("face", FACES)
    gate.set()
    engine._thread.join(PATIENCE_S)
    np.testing.assert_array_equal(engine.run("face", FACES)["logits"], expected["logits"])
    assert engine.fallbacks == [Fallback("failing", "RuntimeError: out of order")]


def test_an_engine_that_stands_in_and_fails_gives_way_too(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    told: list[Fallback] = []
    candidates = [held(gate), Candidate("failing", Failing), TORCH]
    engine = SwitchingEngine(candidates, bundle, reload, on_fallback=told.append)
    assert engine.run("face", FACES)["logits"].shape == (2, 7)
    assert engine.state == EngineState("torch-cpu", "held")
    assert told == engine.fallbacks == [Fallback("failing", "RuntimeError: out of order")]
    gate.set()
    engine._thread.join(PATIENCE_S)
    assert engine.state == EngineState("held")


def test_no_batch_waits_for_an_engine_to_be_built(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    gate.set()  # it could be built, but only while the batch waits
    engine = SwitchingEngine([Candidate("failing", Failing), held(gate), TORCH], bundle, reload)
    assert engine.run("face", FACES)["logits"].shape == (2, 7)
    assert engine.state == EngineState("torch-cpu")
    assert engine.fallbacks == [
        Fallback("failing", "RuntimeError: out of order"),
        Fallback("held", "building it takes long, and nobody waits for it"),
    ]


def test_an_engine_that_cannot_be_built_only_warns_and_the_next_is_built(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    full = torch.OutOfMemoryError("CUDA out of memory")
    next_gate = threading.Event()
    worse = Candidate("next", held(next_gate).load)
    engine = SwitchingEngine([held(gate, full), worse, TORCH], bundle, reload, required=True)
    next_gate.set()
    gate.set()
    engine._thread.join(PATIENCE_S)
    assert engine.state == EngineState("held")
    (fallback,) = engine.fallbacks
    assert (fallback.engine, "lower runtime.max_batch" in fallback.reason) == ("held", True)
    assert "torch-cpu is used instead of held" in caplog.text


def test_where_nothing_can_be_built_the_engine_that_stands_in_stays(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    with closing(
        Runtime(bundle, SwitchingEngine([held(gate, OSError("disk full")), TORCH], bundle, reload))
    ) as runtime:
        before = all_of(runtime)
        gate.set()
        runtime._engine._thread.join(PATIENCE_S)  # type: ignore[attr-defined] # it is a SwitchingEngine
        assert runtime.engine_state == EngineState("torch-cpu")
        assert runtime.fallbacks == [Fallback("held", "OSError: disk full")]
        np.testing.assert_array_equal(all_of(runtime), before)


def test_a_bundle_that_is_gone_when_it_is_needed_again_only_warns(bundle: Bundle, gate: threading.Event) -> None:
    def gone() -> Bundle:
        message = "no bundle in there"
        raise EngineError(message)

    engine = SwitchingEngine([held(gate), TORCH], bundle, gone)
    engine._thread.join(PATIENCE_S)
    assert engine.state == EngineState("torch-cpu")
    assert engine.fallbacks == [Fallback("held", "no bundle in there")]


def test_what_is_broken_at_the_start_is_told_then(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    first = Candidate("broken", broken)
    with pytest.raises(EngineError, match="no such package"):
        SwitchingEngine([first, TORCH], bundle, reload, required=True)
    engine = SwitchingEngine([first, held(gate), TORCH], bundle, reload)
    assert engine.state == EngineState("torch-cpu", "held")
    assert engine.fallbacks == [Fallback("broken", "no such package")]


def test_where_nothing_is_ready_the_start_waits(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    gate.set()
    engine = SwitchingEngine([Candidate("broken", broken), held(gate)], bundle, reload)
    assert engine.state == EngineState("held")
    assert engine.fallbacks == [Fallback("broken", "no such package")]


def test_closing_does_not_wait_for_what_is_being_built(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.runtime.switching._CLOSING_S", 0.01)
    begun = threading.Event()
    engine = SwitchingEngine([held(gate, begun=begun), TORCH], bundle, reload)
    runtime = Runtime(bundle, engine)
    assert begun.wait(PATIENCE_S), "or nothing would be built that could be thrown away"
    runtime.close()
    assert runtime.is_building
    assert engine._thread.daemon
    gate.set()
    engine._thread.join(PATIENCE_S)
    assert not runtime.is_building
    assert engine.name == "torch-cpu", "what was built is thrown away"
    assert engine.fallbacks == []


def test_after_closing_no_further_network_is_begun(bundle: Bundle, reload: Callable[[], Bundle]) -> None:
    entered, gate, begun = threading.Event(), threading.Event(), []

    def two_networks(loaded: Bundle) -> TorchEngine:
        for network in range(2):
            require_time("converting it")
            begun.append(network)
            entered.set()
            assert gate.wait(PATIENCE_S)
        return TorchEngine(loaded)

    engine = SwitchingEngine([Candidate("slow", two_networks), TORCH], bundle, reload)
    assert entered.wait(PATIENCE_S)
    engine._closed.set()
    gate.set()
    engine.close()
    assert not engine._thread.is_alive()
    assert begun == [0]
    assert engine.fallbacks == []


def test_who_does_not_wait_is_told_so_and_only_in_that_block() -> None:
    with building_while(lambda: False), pytest.raises(NotReadyError, match="converting it takes long"):
        require_time("converting it")
    require_time("converting it")


def test_an_engine_whose_builder_breaks_is_awaited_no_more(
    bundle: Bundle, reload: Callable[[], Bundle], gate: threading.Event
) -> None:
    def broke(_: Fallback) -> None:
        message = "nobody to tell"
        raise RuntimeError(message)

    engine = SwitchingEngine([held(gate, EngineError("no")), TORCH], bundle, reload, on_fallback=broke)
    assert engine.state == EngineState("torch-cpu", "held")
    gate.set()
    wait_until(lambda: engine.state == EngineState("torch-cpu"))
    assert {fallback.engine for fallback in engine.fallbacks} == {"held"}
