"""Losses of the feature extractor (paper, section 3.2, equations 10-14) and triplet mining in a batch.

The adaptive-margin triplet loss exists in three forms, because the printed one is inverted when the
gradient flows through its margin: with it, positives closer than 0.52 are pushed apart.

``corrected``
    The default: half the Euclidean distance of L2-normalised embeddings, a margin that grows as the
    triplet gets easier, signs such that positives attract and negatives repel everywhere.
``published``
    Equations 10 and 11 as printed, for comparison.
``facenet``
    The fixed margin of FaceNet (Schroff et al., 2015), 0.2 on squared distances.
"""

from typing import Final, Literal, get_args

import torch
from pydantic import ConfigDict, NonNegativeFloat
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

TripletForm = Literal["corrected", "published", "facenet"]
Mining = Literal["all", "semi-hard", "hard"]

TRIPLET_FORMS: Final = get_args(TripletForm)
FACENET_MARGIN: Final = 0.2
MAX_TRIPLETS: Final = 1024  # a batch of 64 has about 16,000, which cost more than the ResNet and teach no more
_ROOT_EPS: Final = 1e-9  # keeps the gradient of a root finite at zero
_VARIANCE_EPS: Final = 1e-4


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ExtractorLossWeights:
    """λ1, λ2, λ3 of equation 14: triplet, covariance, variance."""

    triplet: NonNegativeFloat = 20.0
    covariance: NonNegativeFloat = 5.0
    variance: NonNegativeFloat = 1.0


def _squared_distance(left: Tensor, right: Tensor) -> Tensor:
    return (left - right).square().sum(dim=-1)


def _root(squared: Tensor) -> Tensor:
    return (squared + _ROOT_EPS).sqrt()


def _distances(anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return Euclidean d_ap, d_an, d_pn, each ``(triplets,)`` in [0, 2], of the L2-normalised embeddings."""
    a, p, n = (functional.normalize(z, dim=-1) for z in (anchor, positive, negative))
    return _root(_squared_distance(a, p)), _root(_squared_distance(a, n)), _root(_squared_distance(p, n))


def corrected_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return mean relu(d_ap - (d_an + d_pn) / 2 + m), m = 0.1 + 0.2 (e^(-4 (1 - d_ap)) + e^(-4 d_an)).

    Shape:
        each of the three ``(triplets, dim)``, of any scale; the loss is a scalar.
    """
    d_ap, d_an, d_pn = (distance / 2 for distance in _distances(anchor, positive, negative))
    margin = 0.1 + 0.2 * (torch.exp(-4 * (1 - d_ap)) + torch.exp(-4 * d_an))
    return functional.relu(d_ap - (d_an + d_pn) / 2 + margin).mean()


def published_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return equations 10 and 11 as printed: mean relu(d_ap - (d_an + d_pn) / 2 + m).

    The printed margin is (1 + 2 / e^(4 d_ap)) + (1 + 2 / e^(-4 d_an + 4)): it falls as the positives part
    and rises as the negatives do, so the ideal triplet costs 111 and a total collapse 4.
    """
    d_ap, d_an, d_pn = _distances(anchor, positive, negative)
    margin = 2 + 2 * torch.exp(-4 * d_ap) + 2 * torch.exp(4 * d_an - 4)
    return functional.relu(d_ap - (d_an + d_pn) / 2 + margin).mean()


def facenet_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return mean relu(d_ap² - d_an² + 0.2) on L2-normalised embeddings."""
    d_ap, d_an, _ = _distances(anchor, positive, negative)
    return functional.relu(d_ap.square() - d_an.square() + FACENET_MARGIN).mean()


_TRIPLET_LOSSES: Final = {
    "corrected": corrected_triplet,
    "published": published_triplet,
    "facenet": facenet_triplet,
}


def variance_loss(embeddings: Tensor) -> Tensor:
    """Return equation 12 in VICReg's form: mean over dimensions of relu(1 - sqrt(var + 1e-4)).

    Args:
        embeddings: ``(batch, dim)``, un-normalised, batch of at least 2.
    """
    deviation = (embeddings.var(dim=0) + _VARIANCE_EPS).sqrt()
    return functional.relu(1 - deviation).mean()


def covariance_loss(embeddings: Tensor) -> Tensor:
    """Return equation 13 in VICReg's form: the sum of squared off-diagonal covariances over dim.

    Args:
        embeddings: ``(batch, dim)``, un-normalised, batch of at least 2.
    """
    count, dim = embeddings.shape
    centred = embeddings - embeddings.mean(dim=0)
    covariance = centred.T @ centred / (count - 1)
    off_diagonal = covariance - torch.diag(covariance.diagonal())
    return off_diagonal.square().sum() / dim


def mine_triplets(embeddings: Tensor, labels: Tensor, mining: Mining = "semi-hard") -> tuple[Tensor, Tensor, Tensor]:
    """Return indices ``(anchor, positive, negative)``, each ``(triplets,)``, of one batch.

    ``all`` gives every valid triplet; ``semi-hard`` those whose negative is farther than the positive but
    within FaceNet's margin; ``hard`` the farthest positive and the nearest negative of every anchor.
    """
    with torch.no_grad():
        unit = functional.normalize(embeddings, dim=-1)
        distances = torch.cdist(unit, unit)
        same = labels[:, None] == labels[None, :]
        positives = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        if mining == "hard":
            return _hardest(distances, positives, ~same)
        valid = positives[:, :, None] & ~same[:, None, :]
        if mining == "semi-hard":
            gap = distances.square()[:, None, :] - distances.square()[:, :, None]
            valid &= (gap > 0) & (gap < FACENET_MARGIN)
        anchor, positive, negative = valid.nonzero(as_tuple=True)
        return anchor, positive, negative


def _hardest(distances: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    anchors = (positives.any(dim=1) & negatives.any(dim=1)).nonzero(as_tuple=True)[0]
    if not len(anchors):
        return anchors, anchors, anchors
    farthest = distances.masked_fill(~positives, -torch.inf).argmax(dim=1)
    nearest = distances.masked_fill(~negatives, torch.inf).argmin(dim=1)
    return anchors, farthest[anchors], nearest[anchors]


def extractor_loss(
    embeddings: Tensor,
    labels: Tensor,
    weights: ExtractorLossWeights = ExtractorLossWeights(),
    form: TripletForm = "corrected",
    mining: Mining = "semi-hard",
) -> Tensor:
    """Return λ1 L_AMT + λ2 L_Cov + λ3 L_Var (equation 14) over triplets mined in the batch, 1,024 drawn at random.

    Shape:
        ``embeddings``: ``(batch, dim)``, un-normalised; ``labels``: ``(batch,)`` integers; the loss is a scalar.
    """
    triplets = torch.stack(mine_triplets(embeddings, labels, mining))
    if triplets.shape[1] > MAX_TRIPLETS:
        triplets = triplets[:, torch.randperm(triplets.shape[1], device=triplets.device)[:MAX_TRIPLETS]]
    return embedding_loss(embeddings, triplets, weights, form)


def embedding_loss(
    embeddings: Tensor,
    triplets: Tensor,
    weights: ExtractorLossWeights = ExtractorLossWeights(),
    form: TripletForm = "corrected",
) -> Tensor:
    """Return equation 14 over given triplets; without any, the covariance and variance losses alone.

    Shape:
        ``embeddings``: ``(batch, dim)``, un-normalised; ``triplets``: ``(3, triplets)`` rows of the batch, anchors,
        positives and negatives; the loss is a scalar.
    """
    loss = weights.covariance * covariance_loss(embeddings) + weights.variance * variance_loss(embeddings)
    if triplets.shape[1]:
        anchor, positive, negative = (embeddings[rows] for rows in triplets)
        loss = loss + weights.triplet * _TRIPLET_LOSSES[form](anchor, positive, negative)
    return loss


def masked_cross_entropy(
    logits: Tensor, targets: Tensor, mask: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Return cross-entropy over the labels that ``mask`` leaves, the smoothing spread over those alone.

    Shape:
        ``logits``, ``mask``: ``(batch, classes)``, the mask 0 for a label that may be, far below for one that may
        not; ``targets``: ``(batch, classes)``, each row's sum 1; ``weights``: ``(batch,)``, 1 by default; the loss is a
        scalar, the mean over the batch.
    """
    log_p = functional.log_softmax(logits + mask, dim=1)
    allowed = (mask == 0).to(logits.dtype)
    spread = -(log_p * allowed).sum(dim=1) / allowed.sum(dim=1)
    own = -(log_p * targets).sum(dim=1)
    losses = (1 - smoothing) * own + smoothing * spread
    return (losses if weights is None else weights * losses).mean()
