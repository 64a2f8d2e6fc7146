"""A new head for an extractor that was trained on other labels, such as identities: its embedding is left as it is."""

from typing import Final

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from models.networks.extractor import EmotionExtractor
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_STEPS: Final = 200
_DECAY: Final = 1e-3  # of the squared weights, beside the mean cross-entropy
_NEVER: Final = -20.0  # the logit of a class that no example has
_TWO_SIDED: Final = np.array([[-0.5], [0.5]])  # of two classes the regression has one set of weights


def fit_head(embeddings: Floats, labels: Ints, classes: int) -> nn.Linear:
    """Return a linear head on the rectified embedding, fitted by cross-entropy with a little weight decay.

    Args:
        embeddings: ``(n, dim)``, at least one.
        labels: ``(n,)``; a class that none has gets next to no probability.
        classes: of the head.
    """
    rectified = np.maximum(np.asarray(embeddings, np.float64), 0)
    scaler = StandardScaler().fit(rectified)
    present = np.unique(labels)
    weight, bias = np.zeros((classes, rectified.shape[1])), np.full(classes, _NEVER)
    bias[present] = 0.0
    if len(present) > 1:
        sides, share = (_TWO_SIDED, 2) if len(present) == len(_TWO_SIDED) else (np.ones((1, 1)), 1)
        regression = LogisticRegression(C=share / (2 * _DECAY * len(labels)), max_iter=_STEPS)
        regression.fit(scaler.transform(rectified), labels)
        weight[present] = sides * regression.coef_ / scaler.scale_  # the standardisation becomes part of the head
        bias[present] = sides[:, 0] * regression.intercept_ - weight[present] @ scaler.mean_
    head = nn.Linear(rectified.shape[1], classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return head


@torch.inference_mode()
def linear_logits(head: nn.Linear, embeddings: Floats) -> Floats:
    """Return the logits ``(n, classes)`` of embeddings ``(n, dim)``."""
    logits: Floats = head(torch.relu(torch.from_numpy(embeddings))).numpy()
    return logits


def with_head(network: EmotionExtractor, head: nn.Linear) -> EmotionExtractor:
    """Return an extractor of the same embedding with another head."""
    twin = EmotionExtractor(head.out_features, head.in_features, size=network.size, backbone=network.backbone)
    twin.extractor, twin.head = network.extractor, head
    return twin.eval()
