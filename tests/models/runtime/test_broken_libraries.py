"""A library that is missing, or does not fit this machine, says what to install, and the next engine is taken."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.runtime import select, tensorrt_build, tensorrt_engine
from models.runtime.engine import EngineError
from models.runtime.fallback import Fallback
from models.runtime.names import EngineName, TensorRtName
from models.runtime.switching import EngineState
from models.runtime.tensorrt_build import tensorrt_plan

TENSORRTS: list[TensorRtName] = ["tensorrt", "tensorrt_rtx"]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU as far as engines ask before they load their library."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


class Library(ModuleType):
    """A TensorRT that is there, and fails as the real ones do where the driver is older than they are."""

    class ILogger:
        def __init__(self) -> None:
            pass

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self._error = error

    def Runtime(self, _: object) -> None:  # noqa: N802 - the library's name
        raise self._error


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", TENSORRTS)
def test_a_tensorrt_that_is_missing_says_what_to_install(
    bundle: Bundle, name: TensorRtName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=rf"{name} can't be loaded .*pip install -e '\.\[{name.replace('_', '-')}\]'"):
        select.choose_engine(name, bundle)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", TENSORRTS)
def test_a_tensorrt_that_does_not_fit_the_driver_says_what_to_update(
    bundle: Bundle, name: TensorRtName, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = TypeError("pybind11::init(): factory function\nreturned nullptr")
    monkeypatch.setitem(sys.modules, name, Library(name, error))
    with pytest.raises(EngineError) as told:
        select.choose_engine(name, bundle)
    assert str(told.value) == (
        f"{name} does not work on this machine (pybind11::init(): factory function returned nullptr): "
        f"update the NVIDIA driver, and install it with `pip install -e '.[{name.replace('_', '-')}]'`"
    )


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", TENSORRTS)
def test_a_gpu_that_is_full_is_no_broken_library(
    bundle: Bundle, name: TensorRtName, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        message = "CUDA out of memory"
        raise torch.OutOfMemoryError(message)

    monkeypatch.setattr(tensorrt_engine, "load_library", full)
    with pytest.raises(EngineError, match=r"the GPU's memory is full \(CUDA out of memory\): lower runtime\.max_batch"):
        select.choose_engine(name, bundle)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("openvino", "models.runtime.openvino_engine", "openvino"),
        ("onnxruntime", "models.runtime.onnx_engine", "onnxruntime"),
    ],
)
def test_a_processors_engine_that_cannot_be_imported_says_what_to_install(
    bundle: Bundle, name: EngineName, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EngineError, match=rf"does not work on this machine .*{package}.*`pip install {package}`"):
        select.choose_engine(name, bundle)


class Decomposing(nn.Module):
    """A text network with an operator that only torch has."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(64, 8), nn.Linear(8, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, utterance_mask: Tensor) -> tuple[Tensor, Tensor]:
        mask = (attention_mask * utterance_mask).unsqueeze(-1)
        words = self.table(input_ids) * mask
        embedding = torch.linalg.eigvals(words.transpose(1, 2) @ words).real
        return embedding, self.head(embedding)


@pytest.fixture
def odd(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundle:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return replace(bundle, text=Decomposing(len(bundle.config.labels)).eval())  # type: ignore[arg-type] # it behaves as one


@pytest.mark.skipif(torch.cuda.is_available(), reason="other engines are taken on a GPU")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_operator_that_an_engine_lacks_is_named_and_serving_goes_on(
    odd: Bundle, name: EngineName, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError, match=r"aten::linalg_eigvals.*: set runtime\.engine to torch") as told:
        select.choose_engine(name, odd)
    engine = select.choose_live_engine(name, odd, reload=lambda: odd)
    engine._thread.join(PATIENCE_S)
    assert engine.state == EngineState("torch-cpu")
    assert engine.fallbacks == [Fallback(name, str(told.value))]
    assert len(str(told.value)) < 200
    assert f"torch-cpu is used instead of {name}" in caplog.text


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is built for a TensorRT that is there as far as keeping its engine files goes."""
    built: list[bytes] = []

    def build(trt: object, name: str, model: bytes, shapes: object, timing: Path | None) -> bytes:  # noqa: ARG001 - as build_plan's
        built.append(model)
        return model

    library = ModuleType("tensorrt")
    monkeypatch.setattr(library, "__version__", "10.0", raising=False)
    monkeypatch.setitem(sys.modules, "tensorrt", library)
    monkeypatch.setattr(tensorrt_build, "build_plan", build)
    return built


@pytest.mark.usefixtures("gpu")
def test_an_engine_file_of_another_gpu_or_cut_short_is_built_again(
    bundle: Bundle, tmp_path: Path, counted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan() -> bytes:
        return tensorrt_plan("tensorrt", "fusion", bundle.fusion, bundle.config, "float32", tmp_path)

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    first = plan()
    assert (plan(), len(counted)) == (first, 1)
    file = next(tmp_path.glob("*/model.plan"))
    file.write_bytes(first[:-1])
    assert (plan(), len(counted)) == (first, 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    plan()
    assert len(counted) == 3


@pytest.mark.parametrize("choose", [select.choose_engine, select.choose_live_engine])
@pytest.mark.skipif(torch.cuda.is_available(), reason="auto takes the GPU")
def test_without_any_other_engine_auto_computes_in_torch(
    bundle: Bundle, choose: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, package in [("openvino_engine", "openvino"), ("onnx_engine", "onnxruntime")]:
        monkeypatch.delitem(sys.modules, f"models.runtime.{module}", raising=False)
        monkeypatch.setitem(sys.modules, package, None)
    engine = choose("auto", bundle, reload=lambda: bundle)
    assert engine.name == "torch-cpu"  # type: ignore[attr-defined] # both kinds have one
    assert [fallback.engine for fallback in engine.fallbacks] == ["openvino", "onnxruntime"]  # type: ignore[attr-defined] # as above
