"""Probabilities that mean what they say: temperature scaling and its measure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

COLDEST: Final = 0.05
HOTTEST: Final = 20.0
_SEARCH_STEPS: Final = 30  # each halves the interval
BINS: Final = 15


def probabilities(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float32]:
    """Return softmax(logits / temperature) over the last axis, float32."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: npt.NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Return the temperature in [0.05, 20] at which the mean confidence is the accuracy.

    This is expectation consistency (Clarte et al., 2023). Confidence falls as the temperature rises, so there is
    one answer, and halving an interval finds it. The likelihood's temperature (Guo et al., 2017) leaves MELD's words
    too sure, whose labels are noisy: on halves of its dev split that were not fitted, 5.0% against 2.7% (text alone).

    Shape:
        logits ``(examples, classes)``; labels ``(examples,)``, at least one.

    Raises:
        ValueError: there are no examples, or not as many labels as logits.
    """
    if not len(labels) or len(labels) != len(logits):
        message = f"a temperature needs as many labels as logits, at least one: {len(labels)} and {len(logits)}"
        raise ValueError(message)
    accuracy = float(np.mean(np.argmax(logits, axis=1) == labels))
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        if probabilities(logits, np.exp(middle)).max(axis=1).mean(dtype=np.float64) > accuracy:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def fit_threshold(probability: Floats, labels: Ints, precision: float) -> float:
    """Return the least confidence with which answers are right often enough: the share ``precision`` of them.

    This is selective classification (El-Yaniv and Wiener, 2010; with a network's confidence, Geifman and El-Yaniv,
    2017): what is less sure is left open, as little as possible. 0 where all answers together are right often enough,
    1 where not even the surest are.

    Shape:
        probability ``(examples, classes)``, calibrated; labels ``(examples,)``.
    """
    confidence = probability.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    sure, right = confidence[order], (probability.argmax(axis=1) == labels)[order]
    whole = np.append(sure[1:] < sure[:-1], True)  # answers that are as sure as one another are relied upon together
    enough = np.flatnonzero(whole & (np.cumsum(right) >= precision * np.arange(1, len(sure) + 1)))
    if not len(enough):
        return 1.0
    return 0.0 if enough[-1] == len(sure) - 1 else float(sure[enough[-1]])


@dataclass(frozen=True, eq=False)
class ConfidenceBins:
    """Equally wide bins of confidence from 0 to 1, each array ``(bins,)``; the means of an empty bin are 0.

    Attributes:
        counts: how many answers are in each.
        confidence: how sure they are, on average.
        accuracy: how many of them are right.
    """

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def confidence_bins(probability: Floats, labels: Ints, bins: int = BINS) -> ConfidenceBins:
    """Return how sure and how right the answers of each stretch of confidence are.

    Shape:
        probability ``(examples, classes)``; labels ``(examples,)``.
    """
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sure, correct = (
        np.bincount(place, weights=what, minlength=bins) / np.maximum(counts, 1) for what in (confidence, right)
    )
    return ConfidenceBins(counts, sure, correct)


def expected_calibration_error(probability: Floats, labels: Ints, bins: int = BINS) -> float:
    """Return the gap between confidence and accuracy, averaged over equally wide bins of confidence by their size.

    Shape:
        probability ``(examples, classes)``; labels ``(examples,)``.
    """
    found = confidence_bins(probability, labels, bins)
    return float(found.counts @ np.abs(found.accuracy - found.confidence) / len(labels))
