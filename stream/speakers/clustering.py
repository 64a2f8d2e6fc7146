"""Which stretches of speech are one person's: agglomerative clustering of voice embeddings. Pure.

Clusters are merged by the mean similarity of their members (average linkage, UPGMA), the most similar first, until none
are alike enough. With the cosine as similarity the mean over all pairs of two clusters is the product of their mean
embeddings, so a cluster is its weighted sum of embeddings: nothing of its members need be kept.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.intp]

_NEVER: Final = -np.inf


@dataclass(frozen=True)
class ClusteringRules:
    """When clusters are one person.

    Attributes:
        alike: the mean cosine from which they are.
        alike_narrow: the same of two that both have a telephone's band: it takes away what tells voices apart.
        evidence: the weight below which a cluster is nobody of its own, and goes to whom it is most like.
        most: how many there are at most.
    """

    alike: float
    alike_narrow: float
    evidence: float
    most: int


def clustered(
    sums: Floats, weights: Floats, rules: ClusteringRules, apart: int = 0, narrow: Floats | None = None
) -> Ints:
    """Return which cluster each of some stretches belongs to, ``(n,)``, numbered in the order of their first.

    Args:
        sums: ``(n, dim)``, of each stretch, or of what was put together before, the sum of its unit-length embeddings,
            each times its weight.
        rules: when they are one person's.
        weights: ``(n,)``, positive: in whatever unit ``rules.evidence`` is.
        apart: so many of the first are known to be as many persons, who stay apart, however little is known of them.
        narrow: ``(n,)``, the share of each that has a telephone's band; none: nothing has.
    """
    shares = np.zeros(len(sums)) if narrow is None else narrow
    clusters = _Clusters(sums, weights, apart, _Band(np.array(shares, np.float64), rules.alike_narrow - rules.alike))
    while clusters.best >= rules.alike or (clusters.best > _NEVER and clusters.count > rules.most):
        clusters.merge()
    clusters.absorb(rules.evidence, rules.alike)
    return in_order_of_first(clusters.members)


def in_order_of_first(labels: Ints) -> Ints:
    """Return labels ``(n,)`` renumbered from 0 in the order in which they appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """The shares of clusters that have a telephone's band, and by how much more alike any two voices are in it."""

    shares: Floats
    shift: float

    def joined(self, kept: int, gone: int, weights: Floats) -> None:
        """Take that one cluster is part of another, by their weights before."""
        both = weights[kept] + weights[gone]
        self.shares[kept] = (self.shares[kept] * weights[kept] + self.shares[gone] * weights[gone]) / both


class _Clusters:
    """Clusters on their way: each starts as one stretch; those that were merged into others are left empty.

    Of each it is known which other it is most like, so that the next merge is found without looking at all pairs.
    """

    def __init__(self, sums: Floats, weights: Floats, apart: int, band: _Band) -> None:
        self._sums, self._weights = np.array(sums, np.float64), np.array(weights, np.float64)
        self.members: Ints = np.arange(len(sums))
        self._left = np.ones(len(sums), bool)
        self._apart, self._band = apart, band
        means = self._sums / self._weights[:, None]
        self._alike = means @ means.T - band.shift * np.outer(band.shares, band.shares)
        self._alike[:apart, :apart] = _NEVER
        np.fill_diagonal(self._alike, _NEVER)
        self._nearest: Ints = self._alike.argmax(axis=1) if len(sums) else self.members
        self._closeness = self._alike.max(axis=1, initial=_NEVER)

    @property
    def count(self) -> int:
        """Return how many there are."""
        return int(self._left.sum())

    @property
    def best(self) -> float:
        """Return how alike the two are that are most alike."""
        return float(self._closeness.max(initial=_NEVER))

    def merge(self) -> None:
        """Make the two that are most alike one."""
        one = int(self._closeness.argmax())
        other = int(self._nearest[one])
        self._join(min(one, other), max(one, other))

    def absorb(self, evidence: float, alike: float) -> None:
        """Give those of less weight, the lightest first, to whom they are most like.

        But to a person who is known only what is alike: the others are somebody, however little they have said.
        """
        waiting = self._left.copy()
        waiting[: self._apart] = False
        while self.count > 1 and waiting.any():
            light = np.where(waiting & self._left, self._weights, np.inf)
            lightest = int(light.argmin())
            if light[lightest] >= evidence:
                return
            nearest = int(self._nearest[lightest])
            if nearest < self._apart and self._closeness[lightest] < alike:
                waiting[lightest] = False
            else:
                self._join(nearest, lightest)

    def _join(self, kept: int, gone: int) -> None:
        self._band.joined(kept, gone, self._weights)
        self._sums[kept] += self._sums[gone]
        self._weights[kept] += self._weights[gone]
        self.members[self.members == gone] = kept
        self._left[gone] = False
        alike = self._sums @ self._sums[kept] / (self._weights * self._weights[kept])
        alike -= self._band.shift * self._band.shares * self._band.shares[kept]
        alike[~self._left] = _NEVER
        alike[kept] = _NEVER
        if kept < self._apart:
            alike[: self._apart] = _NEVER
        self._alike[kept] = self._alike[:, kept] = alike
        self._alike[gone] = self._alike[:, gone] = _NEVER
        self._closeness[gone] = _NEVER
        self._look_again((self._nearest == kept) | (self._nearest == gone), kept)
        nearer = self._left & (alike > self._closeness)
        self._nearest[nearer], self._closeness[nearer] = kept, alike[nearer]

    def _look_again(self, stale: npt.NDArray[np.bool_], kept: int) -> None:
        """Find anew whom those are most like that were most like what has changed, and what has."""
        rows = np.flatnonzero(stale & self._left).tolist()
        for row in {*rows, kept}:
            self._nearest[row] = self._alike[row].argmax()
            self._closeness[row] = self._alike[row, self._nearest[row]]
