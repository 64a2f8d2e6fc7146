"""Triplets mined offline, over a sample larger than any batch, and batches balanced over labels.

FaceNet (Schroff et al., 2015, section 3.2) embeds a large sample every so many steps, takes all of its pairs of one
label, and chooses for each a negative that is semi-hard: farther than the positive, but by less than the margin.
Mining within the batch is in :mod:`models.networks.losses`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.networks.losses import FACENET_MARGIN
from models.user_error import UserError
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_FEWEST: Final = 2  # examples that a label needs to give an anchor and a positive
_SHORTEST: Final = 1e-12

Distances = npt.NDArray[np.float64]


class MiningError(UserError, ValueError):
    """The data can't be drawn from as the settings ask; the message says what to change."""


def unit_rows(embeddings: Floats) -> Distances:
    """Return ``(n, dim)`` float64 rows of length 1; a row of zeros stays one."""
    rows = embeddings.astype(np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _SHORTEST))


def squared_distances(embeddings: Floats) -> Distances:
    """Return squared Euclidean distances ``(n, n)`` in [0, 4] of the L2-normalised embeddings ``(n, dim)``."""
    rows = unit_rows(embeddings)
    return np.asarray(np.clip(2 - 2 * rows @ rows.T, 0, 4))


def offline_triplets(
    embeddings: Floats, labels: Ints, generator: np.random.Generator, margin: float = FACENET_MARGIN
) -> Ints:
    """Return ``(triplets, 3)``: anchor, positive and negative, for each pair that has a semi-hard negative.

    All ordered pairs of one label are looked at. The negative is drawn among those of the whole sample with
    d_ap² < d_an² < d_ap² + ``margin``, the squared distances being those of :func:`squared_distances`.

    Args:
        embeddings: ``(n, dim)``, of any scale; n in the thousands, as the distances take n² numbers.
        labels: ``(n,)``.
        generator: draws the negatives.
        margin: on squared distances.
    """
    distances = squared_distances(embeddings)
    mined = [_of_anchor(anchor, distances[anchor], labels, generator, margin) for anchor in range(len(labels))]
    return np.concatenate([np.empty((0, 3), np.int64), *mined])


def _of_anchor(anchor: int, distances: Distances, labels: Ints, generator: np.random.Generator, margin: float) -> Ints:
    """Sort the anchor's negatives by distance: the semi-hard ones of a positive are then a stretch of them."""
    same = labels == labels[anchor]
    negatives = np.flatnonzero(~same)
    negatives = negatives[np.argsort(distances[negatives], kind="stable")]
    same[anchor] = False
    positives = np.flatnonzero(same)
    first = np.searchsorted(distances[negatives], distances[positives], side="right")
    end = np.searchsorted(distances[negatives], distances[positives] + margin, side="left")
    found = first < end
    chosen = negatives[generator.integers(first[found], end[found])]
    return np.stack([np.full(len(chosen), anchor), positives[found], chosen], axis=1).astype(np.int64)


def balanced_batches(
    labels: Ints, labels_per_batch: int, examples_per_label: int, batches: int, generator: np.random.Generator
) -> Ints:
    """Return rows ``(batches, P·K)``: K examples for each of P labels drawn for the batch.

    A label with one example has no positive and is left out. One with fewer than K gives some of them twice, which
    the augmentation then sets apart.

    Args:
        labels: ``(n,)``.
        labels_per_batch: P.
        examples_per_label: K, at least 2.
        batches: how many.
        generator: draws labels and examples.

    Raises:
        MiningError: there are fewer than P labels with two examples, or K is below 2.
    """
    groups = _groups(labels)
    if examples_per_label < _FEWEST:
        message = f"{examples_per_label} example for a label gives no pair: raise batch, or lower labels_per_batch"
        raise MiningError(message)
    if len(groups) < labels_per_batch:
        message = f"labels_per_batch={labels_per_batch} is more than the {len(groups)} with two examples: lower it"
        raise MiningError(message)
    drawn = (generator.permutation(len(groups))[:labels_per_batch] for _ in range(batches))
    rows = [[_examples(groups[group], examples_per_label, generator) for group in chosen] for chosen in drawn]
    return np.array(rows, np.int64).reshape(batches, labels_per_batch * examples_per_label)


def _groups(labels: Ints) -> list[Ints]:
    """Return the rows of each label that has two or more."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [group for group in groups if len(group) >= _FEWEST]


def _examples(group: Ints, count: int, generator: np.random.Generator) -> Ints:
    """Return so many rows of one label, each once before any comes twice."""
    rounds = -(-count // len(group))
    return np.concatenate([generator.permutation(group) for _ in range(rounds)])[:count]


def mining_sample(labels: Ints, size: int, generator: np.random.Generator) -> Ints:
    """Return at most ``size`` rows to embed and mine: as many of each label as there is room for.

    Where there are more labels than ``size`` can hold two of, some labels are drawn.
    """
    groups = _groups(labels)
    chosen = [groups[place] for place in generator.permutation(len(groups))[: max(1, size // _FEWEST)]]
    share = size // max(1, len(chosen))
    return np.concatenate([np.empty(0, np.int64), *(generator.permutation(group)[:share] for group in chosen)])
