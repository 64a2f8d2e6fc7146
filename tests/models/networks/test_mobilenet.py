import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.networks.mobilenet import FoldedConvolution, MobileNetV1, NormedConvolution, unfold_norms


@pytest.fixture
def folded() -> list[FoldedConvolution]:
    """Random convolutions of the network's shapes, of a size that keeps what comes out lively."""
    generator = torch.Generator().manual_seed(0)
    shapes = [layer.convolution.weight.shape for layer in layers(MobileNetV1())]
    return [
        FoldedConvolution(
            torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5,
            torch.randn(shape[0], generator=generator) * 0.1,
        )
        for shape in shapes
    ]


def layers(network: MobileNetV1) -> list[NormedConvolution]:
    return [layer for layer in network.layers if isinstance(layer, NormedConvolution)]


def images(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def padded_as_tensorflow(given: Tensor, stride: int) -> Tensor:
    """SAME: as many places as the stride goes into the size, the odd one of the padding at the end."""
    size = given.shape[-1]
    total = max(0, (-(-size // stride) - 1) * stride + 3 - size)
    before, after = total // 2, total - total // 2
    return functional.pad(given, (before, after, before, after))


def test_there_are_27_layers_and_1024_features_of_any_size() -> None:
    network = MobileNetV1().eval()
    assert len(network.layers) == 27
    for side in (32, 48, 97, 112):
        assert network(images(2, side)).shape == (2, 1024)


@pytest.mark.parametrize("side", [14, 15])
def test_a_stride_of_two_pads_as_tensorflow_does(side: int) -> None:
    layer = NormedConvolution(3, 8, stride=2)
    given = images(1, side)
    expected = functional.conv2d(padded_as_tensorflow(given, 2), layer.convolution.weight, stride=2)
    torch.testing.assert_close(layer.convolved(given), expected)
    assert expected.shape[-1] == -(-side // 2)


@torch.no_grad()
def test_new_norms_leave_what_was_pretrained_as_it_is(folded: list[FoldedConvolution]) -> None:
    network = MobileNetV1()
    unfold_norms(network, folded, images(8, 48))
    given = expected = images(3, 48, seed=1)
    for layer, one in zip(layers(network), folded, strict=True):
        convolved = functional.conv2d(
            padded_as_tensorflow(expected, layer.convolution.stride[0]) if one.weight.shape[-1] > 1 else expected,
            one.weight,
            stride=layer.convolution.stride,
            groups=layer.convolution.groups,
        )
        expected = (convolved + one.bias[:, None, None]).clamp(0, 6)
    torch.testing.assert_close(network.eval()(given), expected.mean(dim=(2, 3)), atol=1e-3, rtol=1e-3)
    assert expected.std() > 0.01


def test_new_norms_have_the_statistics_of_the_data(folded: list[FoldedConvolution]) -> None:
    network, given = MobileNetV1(), images(8, 48)
    unfold_norms(network, folded, given)
    with torch.no_grad():
        torch.testing.assert_close(network.train()(given), network.eval()(given), atol=1e-2, rtol=1e-2)


def test_convolutions_of_another_network_are_refused(folded: list[FoldedConvolution]) -> None:
    with pytest.raises(ValueError, match="where"):
        unfold_norms(MobileNetV1(), [folded[1], *folded[1:]], images(2, 48))


def test_frozen_layers_keep_their_weights_and_statistics() -> None:
    network = MobileNetV1()
    network.freeze(3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    network(images(4, 32)).sum().backward()
    assert [layer.convolution.weight.grad is None for layer in layers(network)] == [True] * 3 + [False] * 24
    changed = {name.split(".")[1] for name, tensor in network.state_dict().items() if not tensor.equal(before[name])}
    assert changed == {str(place) for place in range(3, 27)}
