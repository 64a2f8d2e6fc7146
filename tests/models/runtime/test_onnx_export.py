"""Exported networks are what their precision says, and kept whole."""

import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from test_engines import cases, difference
from tiny_bundle import with_other_branches, with_speakers

from models.bundle import Bundle
from models.runtime import onnx_export
from models.runtime.engine import INPUT_NAMES, OUTPUT_NAMES, EngineError, ServedName, output_names
from models.runtime.export import Exporter
from models.runtime.onnx_export import export_onnx
from models.runtime.onnx_models import onnx_model
from models.runtime.served_networks import served_networks
from models.runtime.torch_engine import TorchEngine

NAMES: list[ServedName] = ["text", "audio", "voice", "face", "scene", "fusion", "speaker", "pnet", "rnet", "onet"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_half_network_computes_in_float16_between_float32_inputs_and_outputs(
    bundle: Bundle, name: ServedName
) -> None:
    full = with_speakers(with_other_branches(bundle, baseline=True))
    graph = onnx.load_from_string(export_onnx(name, served_networks(full)[name], full.config, "float16")).graph
    assert tuple(port.name for port in graph.input) == INPUT_NAMES[name]
    assert tuple(port.name for port in graph.output) == output_names(name, full.config)
    assert {port.type.tensor_type.elem_type for port in graph.output} == {onnx.TensorProto.FLOAT}
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    assert {tensor.data_type for tensor in graph.initializer} & floats == {onnx.TensorProto.FLOAT16}
    widened = [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT]
    assert len(widened) == len(output_names(name, full.config))
    assert {parameter.dtype for parameter in served_networks(full)[name].parameters()} == {torch.float32}


@pytest.mark.parametrize("mask", ["none", "bool", "float"])
@pytest.mark.parametrize("scale", [None, 0.5])
def test_attention_for_the_exporter_is_torchs(mask: str, scale: float | None) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 5, 8) for _ in range(3))
    allowed = (torch.rand(2, 1, 5, 5) > 0.5) | torch.eye(5, dtype=torch.bool)
    given = {"none": None, "bool": allowed, "float": torch.zeros(2, 1, 5, 5).masked_fill(~allowed, -1e9)}[mask]
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, given, scale=scale)
    torch.testing.assert_close(onnx_export._attention(query, key, value, given, scale=scale), expected)


def test_attention_with_torchs_own_causal_mask_is_refused() -> None:
    query = torch.zeros(1, 1, 2, 4)
    with pytest.raises(torch.onnx.OnnxExporterError, match="causal"):
        onnx_export._attention(query, query, query, is_causal=True)


def test_an_exported_network_is_kept(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = onnx_model("fusion", bundle.fusion, bundle.config, folder=tmp_path)
    monkeypatch.setattr(onnx_export, "export_onnx", lambda *_: pytest.fail("exported again"))
    assert onnx_model("fusion", bundle.fusion, bundle.config, folder=tmp_path) == first


def test_an_export_that_is_cut_off_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(_: Path, __: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", cut_off)
    with pytest.raises(KeyboardInterrupt):
        onnx_model("fusion", bundle.fusion, bundle.config, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_it_says_what_to_install(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match="pip install onnx"):
        onnx_model("fusion", bundle.fusion, bundle.config)


def test_files_are_written_beside_the_cache(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "networks" / "half"
    exporter = Exporter("onnx", bundle.config, "float16", out)
    exporter.export("fusion", bundle.fusion)
    assert exporter.written == [out / "fusion.onnx"] == list(out.iterdir())
    assert len(list((tmp_path / "cache" / "m2fnet-live" / "onnx").iterdir())) == 1
    onnx.checker.check_model(str(out / "fusion.onnx"))


def test_an_openvino_export_is_two_files(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exporter = Exporter("openvino", bundle.config, "auto", tmp_path)
    exporter.export("fusion", bundle.fusion)
    assert [path.name for path in exporter.written] == ["fusion.bin", "fusion.xml"]
    with pytest.raises(EngineError, match="does not compute in float16"):
        Exporter("openvino", bundle.config, "float16", tmp_path)


@pytest.mark.slow
def test_float16_networks_say_nearly_the_same(bundle: Bundle) -> None:
    bundle = with_speakers(bundle)
    reference = TorchEngine(bundle)
    sessions = {
        name: onnxruntime.InferenceSession(export_onnx(name, network, bundle.config, "float16"))
        for name, network in served_networks(bundle).items()
    }
    for name, inputs in cases(bundle.config):
        outputs = dict(zip(OUTPUT_NAMES[name], sessions[name].run(OUTPUT_NAMES[name], inputs), strict=True))
        assert difference(name, inputs, reference.run(name, inputs), outputs) < 0.01
