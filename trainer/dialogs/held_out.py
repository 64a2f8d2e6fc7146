"""How sure and how right a branch is on people it has never met, so that training data can be drawn as wrong as that.

A branch is surer and more often right on what it was trained on than it ever is later; a fusion that learns from that
trusts it too much. Out-of-fold predictions are the known cure (Wolpert, 1992), but the embeddings of different folds
live in different spaces, and a fold of the text encoder costs an hour. So the embeddings stay the final branch's own,
and training examples are drawn so that, for each emotion, as many are taken for each other one, as surely, as on dev.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from models.networks.calibration import probabilities
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_SURE: Final = (1 / 3, 2 / 3)  # quantiles of the confidence on dev between unsure, rather sure and sure


@dataclass(frozen=True, eq=False)
class HeldOutRates:
    """How often a branch says what of examples of each label that it was not trained on.

    What it says is a cell: the label it names, and in which third of its confidences on dev it is that sure.

    Attributes:
        rates: ``(labels, cells)``, each row a distribution; of a label that dev lacks, even over its own cells.
        edges: ``(2,)``, the confidences between the thirds.
        temperature: what logits are divided by before they are confidences.
    """

    rates: npt.NDArray[np.float64]
    edges: npt.NDArray[np.float64]
    temperature: float

    @classmethod
    def of(cls, logits: Floats, labels: Ints, temperature: float) -> Self:
        """Return the rates on dev: logits ``(n, labels)`` of examples with these labels ``(n,)``."""
        classes = logits.shape[1]
        edges = np.quantile(probabilities(logits, temperature).max(axis=1), _SURE)
        empty = cls(np.zeros((classes, 0)), edges, temperature)
        counts = np.zeros((classes, classes * (len(edges) + 1)))
        np.add.at(counts, (labels, empty.cells(logits)), 1)
        own = np.repeat(np.eye(classes), len(edges) + 1, axis=1)
        counts = np.where(counts.any(axis=1, keepdims=True), counts, own)
        return cls(counts / counts.sum(axis=1, keepdims=True), edges, temperature)

    def cells(self, logits: Floats) -> Ints:
        """Return the cell of each row of logits ``(n, labels)``."""
        found = probabilities(logits, self.temperature)
        sure = np.searchsorted(self.edges, found.max(axis=1), side="right")
        return np.asarray(found.argmax(axis=1) * (len(self.edges) + 1) + sure, np.int64)

    def draw(self, label: int, generator: np.random.Generator, there: Ints) -> int:
        """Return a cell of examples of this label, as often as on dev, of those that are ``there``."""
        shares = self.rates[label, there]
        total = shares.sum()
        return int(generator.choice(there, p=shares / total if total else None))
