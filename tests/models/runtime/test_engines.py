"""All engines give the same answers, for any batch, length and mask."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from tiny_bundle import with_other_branches, with_speakers

from models.bundle import Bundle, load_bundle
from models.bundle_config import STARTER, BundleConfig
from models.networks.calibration import probabilities
from models.networks.mtcnn import DETECTION
from models.runtime import model_cache, select
from models.runtime.engine import (
    INPUT_NAMES,
    OUTPUT_NAMES,
    Array,
    Engine,
    EngineError,
    Outputs,
    ServedName,
    output_names,
)
from models.runtime.fallback import Fallback
from models.runtime.names import EngineName, PrecisionName
from models.runtime.onnx_engine import OnnxRuntimeEngine
from models.runtime.openvino_engine import OpenVinoEngine, openvino_format
from models.runtime.torch_engine import TorchEngine

Inputs = dict[str, Array]

_BUNDLES = [
    "tiny",
    pytest.param("whisper and scene", marks=pytest.mark.slow),
    pytest.param("whisper with baselines", marks=pytest.mark.slow),
    pytest.param(
        "starter", marks=[pytest.mark.slow, pytest.mark.skipif(not STARTER.exists(), reason="not trained yet")]
    ),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=_BUNDLES)
def engines(request: pytest.FixtureRequest, bundle_folder: Path, cache: Path) -> tuple[BundleConfig, Engine, ...]:
    match request.param:
        case "tiny":
            loaded = with_speakers(load_bundle(bundle_folder))
        case "starter":
            loaded = load_bundle(STARTER)
        case other:
            loaded = with_other_branches(load_bundle(bundle_folder), baseline=other == "whisper with baselines")
    openvino = OpenVinoEngine(loaded, folder=cache / "openvino")
    return loaded.config, TorchEngine(loaded), openvino, OnnxRuntimeEngine(loaded, folder=cache / "onnx")


def token_rows(lengths: tuple[int, ...], generator: np.random.Generator) -> Inputs:
    """Padded rows whose second half is the utterance."""
    longest = max(lengths)
    places, ends = np.arange(longest)[None], np.array(lengths)[:, None]
    mask = (places < ends).astype(np.int64)
    ids = generator.integers(4, 60, (len(lengths), longest)) * mask
    return {"input_ids": ids, "attention_mask": mask, "utterance_mask": mask * (places >= ends // 2)}


def window_rows(rows: int, length: int, config: BundleConfig, generator: np.random.Generator) -> Inputs:
    inputs: Inputs = {}
    for name in ("text", "audio", "face", "scene"):
        width = getattr(config.fusion, f"{name}_dim")
        inputs[name] = generator.normal(size=(rows, length, width)).astype(np.float32)
        inputs[f"{name}_present"] = generator.random((rows, length)) > 0.4
    inputs["valid"] = np.arange(length)[None] < generator.integers(1, length + 1, (rows, 1))
    return inputs


def speech_windows(generator: np.random.Generator) -> Iterator[Inputs]:
    for rows, frames in [(1, 120), (3, 160), (16, 120), (2, 37)]:
        yield {"mel": generator.gamma(0.2, size=(rows, frames, 40)).astype(np.float32)}


def patches(generator: np.random.Generator) -> Iterator[tuple[ServedName, Inputs]]:
    sizes: list[tuple[ServedName, int, int, int]] = [
        ("pnet", 1, 12, 12),
        ("pnet", 1, 73, 129),
        ("pnet", 3, 26, 46),
        ("rnet", 37, 24, 24),
        ("onet", 5, 48, 48),
    ]
    for name, rows, height, width in sizes:
        yield name, {"images": generator.uniform(-1, 1, (rows, 3, height, width)).astype(np.float32)}


def cases(config: BundleConfig) -> Iterator[tuple[ServedName, Inputs]]:
    generator = np.random.default_rng(5)
    for lengths in [(7,), (12, 3, 9), (40, 40), (1,)]:
        yield "text", token_rows(lengths, generator)
    shapes = [(1, 3, 128, 101), (3, 3, 128, 51), (1, 3, 128, 800), (1, 3, 128, 100)]
    if config.audio.kind == "whisper":
        shapes = [(1, 80, 100), (3, 80, 251), (1, 80, 1500)]
    for shape in shapes:
        yield "audio", {"images": generator.normal(size=shape).astype(np.float32)}
    if config.audio.baseline:
        for rows in (1, 3):
            statistics, offset = generator.normal(size=(2, rows, config.audio.baseline)).astype(np.float32)
            yield "voice", {"statistics": statistics, "offset": offset, "count": np.full((rows, 1), 4, np.float32)}
    side = config.face.size
    for rows in (1, 5):
        yield "face", {"images": generator.normal(size=(rows, 3, side, side)).astype(np.float32)}
    if "scene" in config.networks:
        yield "scene", {"images": generator.normal(size=(2, 3, 160, 160)).astype(np.float32)}
    for rows, length in [(1, 16), (4, 16), (1, 1), (2, 32)]:
        yield "fusion", window_rows(rows, length, config, generator)
    if "speaker" in config.networks:
        yield from (("speaker", inputs) for inputs in speech_windows(generator))
    yield from patches(generator)


def difference(network: ServedName, inputs: Inputs, expected: Outputs, actual: Outputs) -> float:
    """Return how far probabilities differ at most, or the cosine of speakers from 1; padding may say anything."""
    if network == "speaker":
        return float(np.abs(1 - (expected["embedding"] * actual["embedding"]).sum(axis=1)).max())
    counted = inputs["valid"] if network == "fusion" else slice(None)
    if network in DETECTION:  # its scores are probabilities, its other outputs shares of a box
        return max(float(np.abs(expected[output] - actual[output]).max()) for output in OUTPUT_NAMES[network])
    far = probabilities(expected["logits"])[counted] - probabilities(actual["logits"])[counted]
    return float(np.abs(far).max())


def test_probabilities_of_all_engines_differ_by_less_than_a_thousandth(
    engines: tuple[BundleConfig, Engine, ...],
) -> None:
    config, reference, *tested = engines
    for network, inputs in cases(config):
        expected = reference.run(network, inputs)
        for engine in tested:
            actual = engine.run(network, inputs)
            assert set(actual) == set(output_names(network, config))
            assert difference(network, inputs, expected, actual) < 1e-3, engine.name
            for name in {"embedding", "statistics"} & set(expected):
                scale = np.abs(expected[name]).max()
                np.testing.assert_allclose(actual[name], expected[name], atol=1e-3 * scale)


def test_engines_say_what_they_are(engines: tuple[BundleConfig, Engine, ...]) -> None:
    config, *started = engines
    told = [engine.describe() for engine in started]
    assert [(info.engine, info.device, info.precision) for info in told] == [
        (name, "cpu", "float32") for name in ("torch", "openvino", "onnxruntime")
    ]
    for info in told:
        assert info.version
        voice = {"voice"} if config.audio.baseline else set()
        assert set(info.load_seconds) == {*config.networks, *DETECTION, *voice}


def test_outputs_are_not_overwritten_by_the_next_run(engines: tuple[BundleConfig, Engine, ...]) -> None:
    config, *started = engines
    shape = (1, 3, config.face.size, config.face.size)
    for engine in started:
        first = engine.run("face", {"images": np.ones(shape, np.float32)})["logits"]
        kept = first.copy()
        engine.run("face", {"images": np.random.default_rng(0).normal(size=shape).astype(np.float32)})
        np.testing.assert_array_equal(first, kept)


def test_inputs_are_named_as_the_networks_name_them(bundle: Bundle) -> None:
    for name, network in bundle.networks().items():
        assert INPUT_NAMES[name] == tuple(network.forward.__annotations__)[:-1]


@pytest.fixture
def linear() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def convert_linear(network: torch.nn.Linear) -> ov.Model:
    return ov.convert_model(network, example_input=torch.zeros(1, 3))


def answer(model: ov.Model) -> np.ndarray:
    return np.array(ov.Core().compile_model(model, "CPU")(np.ones((1, 3), np.float32))[0])


def test_a_network_is_converted_once(linear: torch.nn.Linear, tmp_path: Path) -> None:
    core, fresh = ov.Core(), convert_linear(linear)
    first = model_cache.cached(linear, "", lambda: fresh, openvino_format(core), tmp_path)
    second = model_cache.cached(linear, "", lambda: pytest.fail("converted again"), openvino_format(core), tmp_path)
    np.testing.assert_array_equal(answer(first), answer(second))


def test_a_changed_weight_or_layout_is_another_network(linear: torch.nn.Linear, tmp_path: Path) -> None:
    core = ov.Core()
    before = answer(model_cache.cached(linear, "", lambda: convert_linear(linear), openvino_format(core), tmp_path))
    with torch.no_grad():
        linear.bias += 1
    after = answer(model_cache.cached(linear, "", lambda: convert_linear(linear), openvino_format(core), tmp_path))
    np.testing.assert_allclose(after, before + 1, rtol=1e-6)
    model_cache.cached(linear, "other", lambda: convert_linear(linear), openvino_format(core), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damaged", ["model.xml", "model.bin", "SHA256SUMS"])
def test_a_damaged_entry_is_converted_again(
    linear: torch.nn.Linear, tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    core = ov.Core()
    expected = answer(model_cache.cached(linear, "", lambda: convert_linear(linear), openvino_format(core), tmp_path))
    next(tmp_path.glob(f"*/{damaged}")).write_bytes(b"")
    again = model_cache.cached(linear, "", lambda: convert_linear(linear), openvino_format(core), tmp_path)
    np.testing.assert_array_equal(answer(again), expected)
    assert "converted again" in caplog.text
    model_cache.cached(linear, "", lambda: pytest.fail("still damaged"), openvino_format(core), tmp_path)


def test_a_cache_that_cannot_be_written_only_warns(
    linear: torch.nn.Linear, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    model_cache.cached(linear, "", lambda: convert_linear(linear), openvino_format(ov.Core()), blocked / "cache")
    assert "every start will convert them" in caplog.text


def test_the_oldest_entries_make_room(linear: torch.nn.Linear, tmp_path: Path) -> None:
    core, fresh = ov.Core(), convert_linear(linear)
    for layout in range(model_cache._KEPT + 3):
        model_cache.cached(linear, str(layout), lambda: fresh, openvino_format(core), tmp_path)
    assert len(list(tmp_path.iterdir())) == model_cache._KEPT


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert model_cache.cache_folder("openvino") == tmp_path / "m2fnet-live" / "openvino"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert model_cache.cache_folder("openvino").is_relative_to(Path.home())


@pytest.fixture
def broken_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        message = "no such instruction"
        raise RuntimeError(message)

    monkeypatch.setattr(ov, "Core", fail)


@pytest.mark.skipif(torch.cuda.is_available(), reason="auto takes the GPU")
@pytest.mark.usefixtures("engines")
def test_auto_takes_openvino_on_a_processor(bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.runtime.model_cache.cache_folder", lambda kind: cache / kind)
    assert select.choose_engine("auto", bundle, threads=1).name == "openvino-cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="auto takes the GPU")
@pytest.mark.usefixtures("broken_openvino", "engines")
def test_auto_falls_back_one_by_one_and_says_why(
    bundle: Bundle, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.runtime.model_cache.cache_folder", lambda kind: cache / kind)
    told: list[Fallback] = []
    with caplog.at_level(logging.WARNING):
        engine = select.choose_engine("auto", bundle, on_fallback=told.append)
    assert engine.name == "onnxruntime-cpu"
    assert "no such instruction" in caplog.text
    assert "onnxruntime-cpu is used instead of openvino" in caplog.text
    assert engine.fallbacks == told
    assert [fallback.engine for fallback in told] == ["openvino"]

    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr("models.runtime.model_cache.cache_folder", lambda kind: cache / "empty" / kind)
    engine = select.choose_engine("auto", bundle)
    assert engine.name == "torch-cpu"
    assert [fallback.engine for fallback in engine.fallbacks] == ["openvino", "onnxruntime"]
    assert "pip install onnx" in engine.fallbacks[1].reason


@pytest.mark.usefixtures("broken_openvino")
def test_openvino_by_name_is_refused_where_it_does_not_work(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"no such instruction.*pip install openvino"):
        select.choose_engine("openvino", bundle)


@pytest.mark.parametrize(
    "silent",
    [
        "import openvino.tools.ovc.telemetry_utils as used; assert used.tm.__name__.endswith('telemetry_stub')",
        pytest.param(
            "import nncf.telemetry.wrapper as used; assert not isinstance(used.telemetry, used.NNCFTelemetry)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_libraries_do_not_report_how_they_are_used(silent: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    program = f"import models.runtime.openvino_engine; {silent}"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_an_unknown_engine_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="no engine 'onnx': take auto, torch,"):
        select.choose_engine("onnx", bundle)  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU has it")
@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_a_precision_that_an_engine_lacks_is_refused(bundle: Bundle, name: EngineName) -> None:
    with pytest.raises(EngineError, match=rf"{name} does not compute in float16 here: set runtime.precision to auto"):
        select.choose_engine(name, bundle, precision="float16")


@pytest.mark.slow
def test_bfloat16_says_nearly_the_same(bundle: Bundle, cache: Path) -> None:
    bundle = with_speakers(bundle)
    reference = TorchEngine(bundle)
    for engine in (
        TorchEngine(bundle, precision="bfloat16"),
        OpenVinoEngine(bundle, folder=cache / "openvino", precision="bfloat16"),
    ):
        assert engine.describe().precision == "bfloat16"
        for network, inputs in cases(bundle.config):
            apart = difference(network, inputs, reference.run(network, inputs), engine.run(network, inputs))
            assert apart < (0.1 if network in DETECTION else 0.02), network  # boxes are no probabilities
    assert next(bundle.text.parameters()).dtype == torch.float32


@pytest.mark.slow
def test_compiled_networks_give_the_same_probabilities(bundle: Bundle) -> None:
    bundle = with_speakers(bundle)
    reference, compiled = TorchEngine(bundle), TorchEngine(bundle, compiled=True)
    assert (compiled.name, compiled.describe().engine) == ("torch-compiled-cpu", "torch-compiled")
    for rows, length in [(1, 16), (2, 32)]:  # the smallest network, two shapes: compiling a ResNet takes minutes
        inputs = window_rows(rows, length, bundle.config, np.random.default_rng(5))
        expected = reference.run("fusion", inputs)
        assert difference("fusion", inputs, expected, compiled.run("fusion", inputs)) < 1e-3
    for inputs in speech_windows(np.random.default_rng(5)):
        expected = reference.run("speaker", inputs)
        assert difference("speaker", inputs, expected, compiled.run("speaker", inputs)) < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["torch", "torch-compiled"])
def test_the_gpu_gives_the_same_probabilities(bundle_folder: Path, name: EngineName) -> None:
    processor, gpu = load_bundle(bundle_folder), load_bundle(bundle_folder)
    reference, tested = TorchEngine(processor), select.choose_engine(name, gpu)
    assert tested.name == f"{name}-cuda"
    for network, inputs in cases(processor.config):
        expected = reference.run(network, inputs)
        assert difference(network, inputs, expected, tested.run(network, inputs)) < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 5e-3), ("float16", 0.02)])
def test_tensorrt_gives_nearly_the_same_probabilities(
    bundle_folder: Path, name: EngineName, precision: PrecisionName, tolerance: float
) -> None:
    pytest.importorskip(name)
    bundle = load_bundle(bundle_folder)
    tested = select.choose_engine(name, bundle, precision=precision)
    assert tested.name == f"{name}-cuda"
    for network, inputs in cases(bundle.config):
        expected = TorchEngine(bundle).run(network, inputs)
        assert difference(network, inputs, expected, tested.run(network, inputs)) < tolerance
