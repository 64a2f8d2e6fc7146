import pytest
import torch

from models.branches import EMBEDDING_DIM
from models.networks.extractor import EmotionExtractor, Extractor
from models.networks.mobilenet import MobileNetV1


@pytest.fixture(scope="module")
def network() -> EmotionExtractor:
    torch.manual_seed(0)
    return EmotionExtractor(classes=7, dropout=0.3).eval()


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (128, 51), (128, 301)])
def test_images_of_any_size_become_one_vector_of_300_and_seven_logits(
    network: EmotionExtractor, size: tuple[int, int]
) -> None:
    with torch.no_grad():
        embedding, logits = network(torch.zeros(2, 3, *size))
    assert embedding.shape == (2, EMBEDDING_DIM) == (2, 300)
    assert logits.shape == (2, 7)


def test_images_of_a_batch_do_not_see_each_other(network: EmotionExtractor) -> None:
    images = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(images)[0][1:2], network(images[1:2])[0], atol=1e-5, rtol=0)


def test_the_backbone_may_be_a_mobilenet() -> None:
    network = EmotionExtractor(classes=7, dim=5, backbone="mobilenet_v1_faces").eval()
    assert isinstance(network.extractor.backbone, MobileNetV1)
    with torch.no_grad():
        embedding, logits = network(torch.zeros(2, 3, 48, 48))
    assert (embedding.shape, logits.shape) == ((2, 5), (2, 7))


def test_embeddings_are_not_normalised() -> None:
    """The variance loss asks for a deviation of 1 in each dimension; a unit vector has at most 1 / sqrt(300)."""
    torch.manual_seed(0)
    network = Extractor(dim=8)
    network.projector.weight.data.mul_(50)
    assert network(torch.randn(4, 3, 32, 32)).norm(dim=1).min() > 2


def test_the_head_reads_the_embedding(network: EmotionExtractor) -> None:
    with torch.no_grad():
        embedding, logits = network(torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
        torch.testing.assert_close(network.head(embedding.clamp(min=0)), logits)


def test_every_weight_is_trained_by_loss_on_both_outputs() -> None:
    torch.manual_seed(0)
    network = EmotionExtractor(classes=3, dim=4)
    embedding, logits = network(torch.randn(4, 3, 32, 32))
    (embedding.square().sum() + logits.square().sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
