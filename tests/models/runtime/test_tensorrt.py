"""Every network goes from ONNX through TensorRT-RTX's parser and builder, which need no GPU."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from tiny_bundle import with_other_branches, with_speakers

from models.bundle import Bundle
from models.media.spectrogram import AudioKind
from models.runtime import tensorrt_build
from models.runtime.engine import EngineError, ServedName
from models.runtime.model_cache import ModelFormat
from models.runtime.names import Precision, TensorRtName
from models.runtime.onnx_export import export_onnx
from models.runtime.served_networks import served_networks
from models.runtime.tensorrt_build import build_plan, load_library, make_logger, profile, target, tensorrt_plan
from models.runtime.tensorrt_engine import TensorRtEngine

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
LIBRARIES: list[TensorRtName] = ["tensorrt", "tensorrt_rtx"]


@pytest.fixture(scope="module")
def rtx() -> object:
    return pytest.importorskip("tensorrt_rtx", reason="the package tensorrt-rtx is not installed")


def bundle_for(bundle: Bundle, audio: AudioKind) -> Bundle:
    return with_speakers(with_other_branches(bundle, baseline=True) if audio == "whisper" else bundle)


@pytest.mark.slow
@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("precision", tensorrt_build.PRECISIONS)
@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("text", "log-mel"),
        ("audio", "log-mel"),
        ("audio", "whisper"),
        ("voice", "whisper"),
        ("face", "log-mel"),
        ("scene", "whisper"),
        ("fusion", "log-mel"),
        ("speaker", "log-mel"),
        ("pnet", "log-mel"),
        ("rnet", "log-mel"),
        ("onet", "log-mel"),
    ],
)
def test_every_network_is_built(
    bundle: Bundle, tmp_path: Path, name: ServedName, audio: AudioKind, precision: Precision
) -> None:
    chosen = bundle_for(bundle, audio)
    network = served_networks(chosen)[name]
    plan = tensorrt_plan("tensorrt_rtx", name, network, chosen.config, precision, tmp_path)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if name not in {"fusion", "speaker", "pnet", "rnet"}:  # so small that its kernels outweigh its weights
        assert len(plan) < parameters * (3 if precision == "float16" else 5) + 4_000_000
    assert len(plan) > parameters * (2 if precision == "float16" else 4)


@pytest.fixture
def counted(rtx: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count what is built; a real engine file is not needed to test how they are kept."""
    built: list[str] = []

    def build(trt: object, name: str, model: bytes, shapes: object, timing: Path | None) -> bytes:  # noqa: ARG001 - as build_plan's
        built.append(name)
        return model

    assert rtx
    monkeypatch.setattr(tensorrt_build, "build_plan", build)
    return built


def test_an_engine_file_is_taken_only_for_what_it_was_built_for(
    bundle: Bundle, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(precision: Precision = "float32") -> bytes:
        return tensorrt_plan("tensorrt_rtx", "fusion", bundle.fusion, bundle.config, precision, tmp_path)

    assert plan() == plan()
    assert len(counted) == 1
    plan("float16")
    assert len(counted) == 2
    with monkeypatch.context() as patch:
        patch.setattr("tensorrt_rtx.__version__", "0.0")
        plan()
    assert len(counted) == 3
    with monkeypatch.context() as patch:
        patch.setattr(tensorrt_build, "target", lambda _: "sm75")
        plan()
    assert len(counted) == 4
    with monkeypatch.context() as patch:
        patch.setattr(tensorrt_build, "_UTTERANCES", (1, 16, 32))
        plan()
    assert len(counted) == 5
    plan()
    assert len(counted) == 5


def test_a_damaged_engine_file_is_built_again(
    bundle: Bundle, tmp_path: Path, counted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for damage in (b"", b"x" * 1000):
        tensorrt_plan("tensorrt_rtx", "fusion", bundle.fusion, bundle.config, "float32", tmp_path)
        next(tmp_path.glob("*/model.plan")).write_bytes(damage)
    tensorrt_plan("tensorrt_rtx", "fusion", bundle.fusion, bundle.config, "float32", tmp_path)
    assert len(counted) == 3
    assert "converted again" in caplog.text


def test_an_operator_that_is_not_supported_is_named(rtx: object, bundle: Bundle) -> None:
    model = export_onnx("fusion", bundle.fusion, bundle.config, "float32").replace(
        b"LayerNormalization", b"MayerNormalization"
    )
    with pytest.raises(
        EngineError, match=r"(?s)tensorrt_rtx does not support the fusion network .*MayerNorm.*to torch"
    ):
        build_plan(rtx, "fusion", model, profile("fusion", bundle.config), None)


def test_profiles_hold_everything_the_pipeline_asks_for(bundle: Bundle) -> None:
    assert profile("text", bundle.config)["input_ids"] == ((1, 1), (1, 48), (16, 64))
    assert profile("face", bundle.config) == {"images": ((1, 3, 96, 96), (1, 3, 96, 96), (16, 3, 96, 96))}
    assert profile("audio", bundle.config)["images"] == ((1, 3, 128, 50), (1, 3, 128, 150), (16, 3, 128, 800))
    assert profile("fusion", bundle.config)["valid"] == ((1, 1), (1, 16), (16, 64))
    assert profile("speaker", bundle.config) == {"mel": ((1, 2, 40), (1, 120, 40), (16, 400, 40))}
    assert profile("pnet", bundle.config) == {"images": ((1, 3, 12, 12), (1, 3, 96, 96), (16, 3, 1024, 1024))}
    assert profile("rnet", bundle.config)["images"][2] == (256, 3, 24, 24)
    assert profile("audio", with_other_branches(bundle).config)["images"][2] == (16, 80, 1500)


@no_gpu
@pytest.mark.parametrize("library", LIBRARIES)
def test_without_a_gpu_it_says_so(bundle: Bundle, library: TensorRtName) -> None:
    with pytest.raises(EngineError, match=rf"{library} computes on NVIDIA GPUs, and torch finds none"):
        TensorRtEngine(bundle, library)


@no_gpu
def test_only_rtx_builds_without_a_gpu() -> None:
    assert target("tensorrt_rtx") == "portable"
    with pytest.raises(EngineError, match="install the NVIDIA driver"):
        target("tensorrt")


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(EngineError, match=r"pip install -e '\.\[tensorrt-rtx\]'"):
        load_library("tensorrt_rtx")


def test_what_tensorrt_says_goes_to_our_log(rtx: object, caplog: pytest.LogCaptureFixture) -> None:
    logger = make_logger(rtx)
    with caplog.at_level(logging.DEBUG, logger="models.runtime.tensorrt_build"):  # whatever else set their levels
        logger.log(rtx.ILogger.Severity.WARNING, "slow")  # type: ignore[attr-defined]  # the library has no types
        logger.log(rtx.ILogger.Severity.ERROR, "out of\nmemory")  # type: ignore[attr-defined]  # as above
    assert "tensorrt_rtx: slow" in caplog.text
    assert logger.last_error == "out of memory"


def test_each_library_has_a_cache_of_its_own() -> None:
    forms: list[ModelFormat[bytes]] = [tensorrt_build.plan_format(library) for library in LIBRARIES]
    assert [(form.name, form.suffix) for form in forms] == [("tensorrt", ".plan"), ("tensorrt_rtx", ".plan")]
