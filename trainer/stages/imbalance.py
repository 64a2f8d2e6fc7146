"""Against everything becoming the most frequent emotion, the paper's stated weakness: losses for imbalanced labels.

Logits are ``(utterances, classes)``, labels ``(utterances,)`` int64 with :data:`~trainer.dialogs.features.SKIP`
where one does not count, counts ``(classes,)``: how often each class occurs in the training data.
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from trainer.dialogs.features import SKIP
from trainer.fit.metrics import Ints

Remedy = Literal["none", "class_balanced", "focal", "logit_adjustment"]
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From logits and labels to the scalar loss."""

_NOTHING: Final = 1e-7


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ImbalanceSettings:
    """Which remedy, and the figures of each.

    Attributes:
        remedy: ``none`` is the paper's cross-entropy.
        beta: of ``class_balanced``: 0 weighs all classes alike, towards 1 by the inverse of their counts.
        gamma: of ``focal``: 0 is cross-entropy; the more, the less what is known already counts.
        tau: of ``logit_adjustment``: 0 is cross-entropy, 1 aims at the balanced error.
    """

    remedy: Remedy = "none"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    gamma: Annotated[float, Field(ge=0)] = 2.0
    tau: Annotated[float, Field(ge=0)] = 1.0


def class_counts(labels: Ints, classes: int) -> Ints:
    """Return how often each class occurs."""
    return np.bincount(labels, minlength=classes).astype(np.int64)


def effective_number_weights(counts: Ints, beta: float) -> Tensor:
    """Return the weight (1 - beta) / (1 - beta^n) of each class, their mean over the classes that occur being 1.

    Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019. A class that does not occur
    weighs nothing.
    """
    occurring = counts > 0
    weights = np.where(occurring, (1 - beta) / (1 - np.power(beta, np.maximum(counts, 1))), 0.0)
    return torch.from_numpy(weights * occurring.sum() / weights.sum()).float()


def log_prior(counts: Ints) -> Tensor:
    """Return the logarithm of each class's share; a class that does not occur counts as seen once."""
    seen = np.maximum(counts, 1)
    return torch.from_numpy(np.log(seen / seen.sum())).float()


def logit_adjusted_loss(logits: Tensor, labels: Tensor, prior: Tensor, tau: float, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of logits + tau * log prior, where ``prior`` is :func:`log_prior`.

    Menon et al., Long-tail learning via logit adjustment, ICLR 2021, equation 10: the shift is there in training
    only, so that the network learns logits which do without it.
    """
    adjusted = logits + tau * prior.to(logits)
    return functional.cross_entropy(adjusted, labels, ignore_index=SKIP, label_smoothing=smoothing)


def focal_loss(logits: Tensor, labels: Tensor, gamma: float, smoothing: float = 0.0) -> Tensor:
    """Return the mean of -(1 - p)^gamma log p over the utterances, p being the probability of the true class.

    Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4. With label smoothing every class
    counts by its share of the smoothed label; at gamma = 0 this is cross-entropy either way.
    """
    kept = labels != SKIP
    log_p = logits[kept].log_softmax(dim=1)
    classes = logits.shape[1]
    target = functional.one_hot(labels[kept], classes).to(log_p) * (1 - smoothing) + smoothing / classes
    rest = (-log_p.expm1()).clamp(min=_NOTHING)  # 1 - p; a power of 0 has no finite gradient
    return -(target * rest**gamma * log_p).sum(dim=1).mean()


def loss_function(settings: ImbalanceSettings, counts: Ints, smoothing: float = 0.0) -> LossFunction:
    """Return the loss of the remedy that is set.

    Args:
        settings: the remedy and its figures.
        counts: of the training labels.
        smoothing: of the labels, 0 to leave them as they are.
    """
    if settings.remedy == "focal":
        return lambda logits, labels: focal_loss(logits, labels, settings.gamma, smoothing)
    if settings.remedy == "logit_adjustment":
        prior = log_prior(counts)
        return lambda logits, labels: logit_adjusted_loss(logits, labels, prior, settings.tau, smoothing)
    weights = effective_number_weights(counts, settings.beta) if settings.remedy == "class_balanced" else None
    return lambda logits, labels: functional.cross_entropy(
        logits,
        labels,
        None if weights is None else weights.to(logits),
        ignore_index=SKIP,
        label_smoothing=smoothing,
    )
