"""Networks quantised to int8: made once, found again, refused where there are none, close to what they were made of."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from test_engines import Inputs, cases, difference
from tiny_bundle import with_other_branches, with_speakers

from models.bundle import Bundle
from models.networks.mtcnn import DETECTION
from models.runtime.engine import OUTPUT_NAMES, EngineError, ServedName
from models.runtime.export import Exporter
from models.runtime.openvino_engine import OpenVinoEngine, int8_model, openvino_model
from models.runtime.openvino_int8 import quantised
from models.runtime.served_networks import served_networks
from models.runtime.torch_engine import TorchEngine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calibration(bundle: Bundle) -> dict[ServedName, list[Inputs]]:
    found: dict[ServedName, list[Inputs]] = {}
    for name, inputs in cases(bundle.config):
        found.setdefault(name, []).append(inputs)
    return found


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("cache")
def test_quantised_networks_are_found_and_say_nearly_the_same(
    bundle: Bundle, calibration: dict[ServedName, list[Inputs]]
) -> None:
    bundle = with_speakers(bundle)
    exporter = Exporter("openvino", bundle.config, "int8", calibrate=lambda: calibration)
    for name, network in bundle.networks().items():
        exporter.export(name, network)
    reference, engine = TorchEngine(bundle), OpenVinoEngine(bundle, precision="int8")
    assert engine.describe().precision == "int8"
    apart = {}
    for network, inputs in cases(bundle.config):
        far = difference(network, inputs, reference.run(network, inputs), engine.run(network, inputs))
        apart[network] = max(apart.get(network, 0.0), far)
    assert all(apart[name] < 1e-3 for name in DETECTION), "faces are found in float32"
    assert apart["speaker"] < 1e-5, "what is not calibrated stays in float32"
    assert all(apart[name] < 0.1 for name in bundle.networks()), apart
    assert any(apart[name] > 1e-4 for name in bundle.networks()), "nothing was quantised"


@pytest.mark.usefixtures("cache")
def test_a_quantised_mobilenet_says_nearly_the_same(bundle: Bundle) -> None:
    other = with_other_branches(bundle)
    faces = [inputs for name, inputs in cases(other.config) if name == "face"]
    core, network = ov.Core(), served_networks(other)["face"]
    model = openvino_model("face", network, other.config, core)
    compiled = core.compile_model(quantised("face", model, faces), "CPU")
    reference = TorchEngine(other)
    for inputs in faces:
        said = dict(zip(OUTPUT_NAMES["face"], compiled([inputs["images"]]).values(), strict=True))
        assert 1e-5 < difference("face", inputs, reference.run("face", inputs), said) < 0.1


@pytest.mark.usefixtures("cache")
def test_without_quantised_networks_it_says_how_to_make_them(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"no int8 text network .*m2fnet export .*--precision int8 --data"):
        OpenVinoEngine(bundle, precision="int8")


def test_quantising_needs_training_data(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="--data"):
        Exporter("openvino", bundle.config, "int8")


def test_training_data_is_gathered_only_where_it_is_of_use(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def gathered() -> dict[ServedName, list[Inputs]]:
        pytest.fail("gathered in vain")

    with pytest.raises(EngineError, match="does not compute in int8"):
        Exporter("onnx", bundle.config, "int8", calibrate=gathered)
    Exporter("openvino", bundle.config, calibrate=gathered)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(EngineError, match=r"pip install .*\[int8\]"):
        Exporter("openvino", bundle.config, "int8", calibrate=gathered)


def test_a_quantised_file_is_smaller(bundle: Bundle, calibration: dict[ServedName, list[Inputs]], cache: Path) -> None:
    for precision in ("auto", "int8"):
        folder = cache / precision
        exporter = Exporter("openvino", bundle.config, precision, folder, lambda: calibration)
        exporter.export("face", served_networks(bundle)["face"])
    assert (cache / "int8" / "face.bin").stat().st_size < 0.3 * (cache / "auto" / "face.bin").stat().st_size


@pytest.mark.usefixtures("cache")
def test_quantising_again_replaces_what_was_kept(bundle: Bundle, calibration: dict[ServedName, list[Inputs]]) -> None:
    core, network = ov.Core(), served_networks(bundle)["face"]
    faces = calibration["face"][0]["images"]
    kept = []
    for scale in (1.0, 20.0):
        scaled = {name: [_scaled(each, scale) for each in inputs] for name, inputs in calibration.items()}
        Exporter("openvino", bundle.config, "int8", calibrate=partial(dict, scaled)).export("face", network)
        compiled = core.compile_model(int8_model("face", network, bundle.config, core), "CPU")
        kept.append(np.array(compiled([faces])[1]))
    assert not np.array_equal(*kept)


def _scaled(inputs: Inputs, by: float) -> Inputs:
    return {name: array * np.float32(by) if array.dtype == np.float32 else array for name, array in inputs.items()}


def test_without_nncf_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(EngineError, match=r"pip install .*\[int8\]"):
        quantised("face", ov.Model([], [], "empty"), [])


@pytest.mark.usefixtures("cache")
def test_what_nncf_refuses_is_told(bundle: Bundle) -> None:
    model = openvino_model("face", served_networks(bundle)["face"], bundle.config, ov.Core())
    with pytest.raises(EngineError, match="the face network can't be quantised"):
        quantised("face", model, [{"images": np.zeros((1, 5, 8, 8), np.float32)}])
