"""Classification metrics over the indices of a set of labels, from scikit-learn.

A class that does not occur in ``truth`` has no recall; the averages over classes leave it out.
"""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

Ints = npt.NDArray[np.int64]
Metrics = dict[str, float]
"""Figures by name."""


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


def least_recall(truth: Ints, predicted: Ints) -> float:
    """Return the recall of the class, of those that occur in ``truth``, that is found least often."""
    found = recall_score(truth, predicted, labels=np.unique(truth), average=None, zero_division=0)
    return float(np.min(found))


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints:
    """Return ``(classes, classes)`` counts: a row for each true class, a column for each predicted one."""
    counts: Ints = confusion_matrix(truth, predicted, labels=np.arange(classes)).astype(np.int64)
    return counts


def by_class(truth: Ints, predicted: Ints, classes: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Return precision, recall, F1 and support of every class, each ``(classes,)``; 0 where one is not defined."""
    found: tuple[npt.NDArray[np.float64], ...] = precision_recall_fscore_support(
        truth, predicted, labels=np.arange(classes), zero_division=0
    )
    return found
