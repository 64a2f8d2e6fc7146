"""What an embedding has learned of the labels: k nearest neighbours and a linear probe.

Neither changes the network. They judge an embedding without the classification head, so that training by the
triplet losses alone can be followed, and its checkpoint chosen, by them.
"""

import warnings
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import pydantic
from pydantic import ConfigDict, Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from models.user_error import UserError
from trainer.fit.metrics import Ints, accuracy
from trainer.fit.outputs import Floats
from trainer.stages.mining import squared_distances

_FOLDS: Final = 5
_PROBE_STEPS: Final = 200  # of L-BFGS; on standardised embeddings what it still gains after them is noise
_PROBE_C: Final = 0.1  # a ridge: there are hundreds of dimensions to a few thousand examples


class ProbeError(UserError, ValueError):
    """An embedding can't be judged; the message says why and what to do."""


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ProbeSettings:
    """How embeddings are judged after each epoch."""

    enabled: bool = True
    examples: Annotated[int, Field(ge=2)] = 2000
    """At most so many of the training and of the dev examples, drawn once, are looked at."""
    neighbours: Annotated[int, Field(ge=1)] = 20
    leave_one_out: bool = False
    """Ask each dev example's neighbours in dev, not in the training set; always so where the labels of the two differ,
    as those of identities do."""
    linear: bool = True
    """Also fit the linear probe: with thousands of labels it is slow."""


@dataclass(frozen=True)
class Embedded:
    """Embeddings ``(n, dim)`` and their labels ``(n,)``."""

    embeddings: Floats
    labels: Ints

    def __post_init__(self) -> None:
        if not np.isfinite(self.embeddings).all():
            message = "the embeddings are not finite, the training has diverged: lower the rate or the loss's weights"
            raise ProbeError(message)


def probe(dev: Embedded, train: Embedded | None, settings: ProbeSettings) -> dict[str, float]:
    """Return the accuracies ``knn`` and, if asked for, ``linear_probe`` on dev; nothing if not enabled.

    Without ``train`` the neighbours are those in dev, the example itself left out, and the linear probe is
    cross-validated in dev.
    """
    if not settings.enabled:
        return {}
    found = {"knn": accuracy(dev.labels, knn_predictions(dev, train, settings.neighbours))}
    if settings.linear:
        found["linear_probe"] = accuracy(dev.labels, linear_predictions(dev, train))
    return found


def knn_predictions(dev: Embedded, train: Embedded | None = None, neighbours: int = 20) -> Ints:
    """Return for each dev example ``(n,)`` the label most of its nearest neighbours by cosine have.

    Args:
        dev: what is judged.
        train: where the neighbours are looked for; None looks in dev, the example itself left out.
        neighbours: how many; no more than there are.

    Raises:
        ProbeError: there is nothing to compare with.
    """
    among = dev if train is None else train
    available = len(among.labels) - (train is None)
    if available < 1:
        message = "no neighbours to compare with: give more examples"
        raise ProbeError(message)
    classifier = KNeighborsClassifier(min(neighbours, available), metric="cosine", algorithm="brute")
    classifier.fit(among.embeddings, among.labels)
    return np.asarray(classifier.predict(None if train is None else dev.embeddings), np.int64)


def linear_predictions(dev: Embedded, train: Embedded | None = None) -> Ints:
    """Return for each dev example ``(n,)`` what a logistic regression on standardised embeddings says.

    Args:
        dev: what is judged.
        train: what the regression is fitted on; None cross-validates it in dev.

    Raises:
        ProbeError: there is but one label to learn.
    """
    among = dev if train is None else train
    counts = np.unique(among.labels, return_counts=True)[1]
    if len(counts) < 2:  # noqa: PLR2004 - one label is no classification
        message = "a linear probe needs two labels: give more examples, or set probe.linear=false"
        raise ProbeError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class")
        if train is None:
            folds = StratifiedKFold(min(_FOLDS, int(counts.max())))
            predicted = cross_val_predict(_regression(), dev.embeddings, dev.labels, cv=folds)
        else:
            predicted = _regression().fit(train.embeddings, train.labels).predict(dev.embeddings)
    return np.asarray(predicted, np.int64)


def _regression() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=_PROBE_C, max_iter=_PROBE_STEPS))


@dataclass(frozen=True)
class PairDistances:
    """How far apart examples of one label and of two lie: mean Euclidean distances of L2-normalised embeddings.

    ``order`` is the chance that two examples of one label are nearer than two of different labels: 0.5 says nothing,
    less is upside down.
    """

    positive: float
    negative: float
    order: float


def pair_distances(examples: Embedded) -> PairDistances:
    """Measure all pairs.

    Raises:
        ProbeError: there is no pair of one label, or none of two.
    """
    above = np.triu_indices(len(examples.labels), 1)
    distances = np.sqrt(squared_distances(examples.embeddings)[above])
    same = (examples.labels[:, None] == examples.labels[None, :])[above]
    if same.all() or not same.any():
        message = "no pairs of one label, or none of two: give more examples"
        raise ProbeError(message)
    order = float(roc_auc_score(same, -distances))
    return PairDistances(float(distances[same].mean()), float(distances[~same].mean()), order)


def subsample(count: int, most: int, seed: int) -> Ints:
    """Return at most ``most`` of ``count`` rows, in order: the same ones for the same seed."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])
