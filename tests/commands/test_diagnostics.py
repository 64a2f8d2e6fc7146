import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from commands import diagnostics
from commands.diagnostics import Finding, can_run, diagnose
from stream.settings import RuntimeSettings, Settings, TranscriberSettings


def found(settings: Settings, subject: str) -> list[Finding]:
    return list(diagnostics.PROBES[subject](settings))


def test_every_finding_says_something_and_what_is_not_there_says_what_to_do() -> None:
    findings = diagnose(Settings())
    assert {"python", "torch", "media decoding", "speech detector", "face detector"} <= {f.subject for f in findings}
    for finding in findings:
        assert finding.detail
        assert finding.state == "ok" or finding.advice or ":" in finding.detail


def test_what_the_packages_bring_is_there() -> None:
    for subject in ("python", "media decoding", "speech detector", "speech recognition", "face detector"):
        (finding,) = found(Settings(), subject)
        assert (finding.state, finding.needed) == ("ok", True)


def test_an_engine_that_is_not_there_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "find_spec", lambda _: None)
    for engine, command in [
        ("tensorrt", "'.[tensorrt]'"),
        ("tensorrt_rtx", "'.[tensorrt-rtx]'"),
        ("onnxruntime", "-e ."),
    ]:
        (finding,) = found(Settings(), f"engine {engine}")
        assert (finding.state, finding.needed) == ("missing", False)
        assert command in finding.advice


def test_onnx_runtime_without_what_writes_its_networks_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "find_spec", lambda name: None if name == "onnx" else name)
    (finding,) = found(Settings(), "engine onnxruntime")
    assert finding.state == "missing"
    assert "'.[onnx]'" in finding.advice


def test_packages_that_do_not_go_together_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (fine,) = found(Settings(), "packages")
    assert (fine.state, fine.needed) == ("ok", True)
    monkeypatch.setattr(
        diagnostics, "requires", lambda _: ["torch==0.1", "av>=1", "no-such-package", "x; extra == 'y'"]
    )
    (wrong,) = found(Settings(), "packages")
    assert (wrong.state, wrong.needed) == ("missing", True)
    assert re.fullmatch(r"torch \S+, not ==0\.1; no no-such-package", wrong.detail)
    assert "-e ." in wrong.advice


def test_a_program_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "PROGRAM", "no-such-program")
    (finding,) = found(Settings(), "packages")
    assert finding.detail == "no-such-program itself is not installed"


def test_a_face_detector_without_its_weights_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "find_spec", lambda _: SimpleNamespace(origin=__file__))
    (finding,) = found(Settings(), "face detector")
    assert (finding.state, finding.needed) == ("missing", True)


@pytest.mark.slow
def test_what_takes_seconds_to_load_is_not_loaded() -> None:
    code = (
        "import sys; from commands.diagnostics import can_run, diagnose; from stream.settings import Settings\n"
        "ready = can_run(diagnose(Settings()))\n"
        "print(ready, *({'transformers', 'torchvision', 'facenet_pytorch', 'torch._dynamo'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"


def test_a_damaged_bundle_is_found_without_loading_it(bundle_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle_folder, tmp_path / "copy"))
    settings = Settings(runtime=RuntimeSettings(bundle=copy))
    assert [finding.state for finding in found(settings, "bundle")] == ["ok"]
    weights = copy / "audio.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    (finding,) = found(settings, "bundle")
    assert (finding.state, finding.needed) == ("broken", True)
    assert "audio.safetensors" in finding.detail


def test_missing_bundle_is_needed_and_named(tmp_path: Path) -> None:
    settings = Settings(runtime=RuntimeSettings(bundle=tmp_path / "none"))
    (finding,) = found(settings, "bundle")
    assert finding.state != "ok"
    assert str(tmp_path / "none") in finding.detail
    assert not can_run([finding])


def test_speech_model_that_is_none_is_told(tmp_path: Path) -> None:
    settings = Settings(transcriber=TranscriberSettings(model=str(tmp_path)))
    (finding,) = found(settings, "speech recognition")
    assert finding.state == "missing"
    assert "model.bin" in finding.detail


def test_speech_model_is_not_downloaded_to_see_whether_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    settings = Settings(transcriber=TranscriberSettings(model="nobody/no-such-model"))
    (finding,) = found(settings, "speech recognition")
    assert finding.state == "missing"
    assert "when it is first used" in finding.detail


def test_probe_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Settings) -> Iterator[Finding]:
        message = "driver\nlost"
        raise RuntimeError(message)

    probes = {"camera": breaks, "torch": breaks, "training": diagnostics.PROBES["training"]}
    monkeypatch.setattr(diagnostics, "PROBES", probes)
    camera, torch, training = diagnose(Settings())
    assert camera == Finding("camera", "broken", "RuntimeError: driver lost")
    assert (torch.state, torch.needed) == ("broken", True)
    assert training.subject == "training"


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([], True),
        ([Finding("a", "ok", "", needed=True), Finding("b", "missing", "")], True),
        ([Finding("a", "broken", "", needed=True)], False),
        ([Finding("a", "missing", "", needed=True), Finding("b", "ok", "", needed=True)], False),
    ],
)
def test_only_what_is_needed_decides(findings: list[Finding], expected: bool) -> None:
    assert can_run(findings) is expected
