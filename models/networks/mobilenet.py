"""MobileNet (Howard et al., 2017) in its first version: what a face-pretrained extractor is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH: Final = 1024
"""Of what it returns for each image."""

_FIRST: Final = 32
_BLOCKS: Final = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of each depthwise-separable block."""
_KERNEL: Final = 3


class MobileNetV1(nn.Module):
    """Depthwise-separable convolutions, each followed by a norm and ReLU6, and the mean over the image.

    It pads as TensorFlow does, where its pretrained weights come from: with a stride of 2 more at the end than at the
    beginning.

    Shape:
        input ``(batch, 3, height, width)`` in any size of at least 32 x 32; output ``(batch, 1024)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layers())
        self.frozen = 0

    def freeze(self, layers: int) -> None:
        """Leave the first so many layers as they are, their norms' statistics too, while the others are trained."""
        self.frozen = layers
        self.layers[:layers].requires_grad_(requires_grad=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen layers."""
        super().train(mode)
        self.layers[: self.frozen].eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return one vector for each image."""
        features: Tensor = self.layers(images)
        return features.mean(dim=(2, 3))


def _layers() -> Iterator["NormedConvolution"]:
    yield NormedConvolution(3, _FIRST, stride=2)
    width = _FIRST
    for channels, stride in _BLOCKS:
        yield NormedConvolution(width, width, stride=stride, groups=width)
        yield NormedConvolution(width, channels, kernel=1)
        width = channels


class NormedConvolution(nn.Module):
    """A convolution without a bias, a batch norm and ReLU6."""

    def __init__(self, given: int, made: int, *, kernel: int = _KERNEL, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.convolution = nn.Conv2d(given, made, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(made)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(batch, made, …)``."""
        normed: Tensor = self.norm(self.convolved(images))
        return functional.relu6(normed)

    def convolved(self, images: Tensor) -> Tensor:
        """Return what the norm is given."""
        if self.convolution.stride[0] > 1:
            height, width = images.shape[2:]
            images = functional.pad(images, (width % 2, 1, height % 2, 1))
        found: Tensor = self.convolution(images)
        return found


@dataclass(frozen=True, eq=False)
class FoldedConvolution:
    """A convolution with its norm folded in: weights ``(made, given / groups, height, width)``, bias ``(made,)``."""

    weight: Tensor
    bias: Tensor


@torch.no_grad()
def unfold_norms(network: MobileNetV1, folded: Sequence[FoldedConvolution], images: Tensor) -> None:
    """Give a network pretrained convolutions, and norms that leave what these compute as it is.

    Each norm takes the mean and deviation of what its convolution makes of the images, which it then puts back, so that
    training starts from what was pretrained and the norms' statistics are those of the data.

    Args:
        network: is changed.
        folded: one for each of its layers, in their order.
        images: ``(batch, 3, height, width)``, a few hundred like those it will be trained on.

    Raises:
        ValueError: the convolutions are not those of this network.
    """
    network.eval()
    for layer, given in zip(network.layers, folded, strict=True):
        assert isinstance(layer, NormedConvolution)  # noqa: S101 - made above
        if given.weight.shape != layer.convolution.weight.shape:
            message = (
                f"a convolution of {list(given.weight.shape)}, where {list(layer.convolution.weight.shape)} belongs"
            )
            raise ValueError(message)
        layer.convolution.weight.copy_(given.weight)
        _put_back(layer.norm, layer.convolved(images), given.bias)
        images = layer(images)


def _put_back(norm: nn.BatchNorm2d, convolved: Tensor, bias: Tensor) -> None:
    """Let a norm return what it is given, plus a bias."""
    variance, mean = torch.var_mean(convolved, dim=(0, 2, 3), correction=0)
    assert norm.running_mean is not None  # noqa: S101 - a batch norm has one unless it is told otherwise
    assert norm.running_var is not None  # noqa: S101 - the same
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + bias)
