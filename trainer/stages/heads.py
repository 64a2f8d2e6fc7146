"""A new head for an extractor that was trained on other labels, such as identities: its embedding is left as it is."""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.extractor import EmotionExtractor
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_STEPS: Final = 200
_DECAY: Final = 1e-3
_EPS: Final = 1e-6


def fit_head(embeddings: Floats, labels: Ints, classes: int) -> nn.Linear:
    """Return a linear head on the rectified embedding, fitted by cross-entropy with a little weight decay.

    Args:
        embeddings: ``(n, dim)``, at least one.
        labels: ``(n,)``; a class that none has gets next to no probability.
        classes: of the head.
    """
    rectified = torch.relu(torch.from_numpy(np.asarray(embeddings, np.float32)))
    mean, deviation = rectified.mean(dim=0), rectified.std(dim=0, correction=0) + _EPS
    head = nn.Linear(embeddings.shape[1], classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    _minimise(head, (rectified - mean) / deviation, torch.from_numpy(labels))
    with torch.no_grad():  # the standardisation becomes part of the head
        head.weight.div_(deviation)
        head.bias.sub_(head.weight @ mean)
    return head


def _minimise(head: nn.Linear, inputs: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(inputs), labels) + _DECAY * head.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call] # torch's own


@torch.inference_mode()
def head_logits(head: nn.Linear, embeddings: Floats) -> Floats:
    """Return the logits ``(n, classes)`` of embeddings ``(n, dim)``."""
    logits: Floats = head(torch.relu(torch.from_numpy(embeddings))).numpy()
    return logits


def with_head(network: EmotionExtractor, head: nn.Linear) -> EmotionExtractor:
    """Return an extractor of the same embedding with another head."""
    twin = EmotionExtractor(head.out_features, head.in_features, size=network.size)
    twin.extractor, twin.head = network.extractor, head
    return twin.eval()
