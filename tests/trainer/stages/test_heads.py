import numpy as np
import torch

from models.networks.extractor import EmotionExtractor
from trainer.stages.heads import fit_head, linear_logits, with_head


def test_a_head_learns_the_labels_of_an_embedding_of_any_scale() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 200)
    embeddings = generator.normal(0, 0.1, (200, 8)).astype(np.float32)
    embeddings[np.arange(200), labels] += 50
    head = fit_head(embeddings, labels, 4)
    logits = linear_logits(head, embeddings)
    assert (logits.argmax(axis=1) == labels).mean() > 0.98
    assert (torch.softmax(torch.from_numpy(logits), dim=1)[:, 3] < 0.05).all()  # a class that never occurs


def test_another_head_leaves_the_embedding_as_it_is() -> None:
    network = EmotionExtractor(5, 8).eval()
    twin = with_head(network, fit_head(np.eye(8, dtype=np.float32), np.arange(8) % 2, 2))
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        embedding, logits = twin(images)
        assert torch.equal(embedding, network(images)[0])
    np.testing.assert_allclose(logits.numpy(), linear_logits(twin.head, embedding.numpy()), rtol=1e-4)


def test_one_example_is_enough() -> None:
    assert np.isfinite(
        linear_logits(fit_head(np.ones((1, 4), np.float32), np.array([0]), 2), np.ones((1, 4), np.float32))
    ).all()
