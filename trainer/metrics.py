"""Classification metrics over the seven labels, from scikit-learn."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score, recall_score

Ints = npt.NDArray[np.int64]


def weighted_f1(truth: Ints, predicted: Ints) -> float:
    """Return the F1 averaged over classes by their support: MELD's official metric."""
    return float(f1_score(truth, predicted, average="weighted", zero_division=0))


def macro_f1(truth: Ints, predicted: Ints) -> float:
    """Return the F1 averaged over the classes that occur in ``truth``."""
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def accuracy(truth: Ints, predicted: Ints) -> float:
    """Return the share of right answers."""
    return float(accuracy_score(truth, predicted))


def unweighted_accuracy(truth: Ints, predicted: Ints) -> float:
    """Return the recall averaged over the classes that occur in ``truth``."""
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))
