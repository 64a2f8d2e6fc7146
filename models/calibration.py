"""Probabilities that mean what they say: temperature scaling (Guo et al., 2017) and its measure."""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

COLDEST: Final = 0.05
HOTTEST: Final = 20.0
_SEARCH_STEPS: Final = 50  # each leaves two thirds of the interval
_BINS: Final = 15


def probabilities(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float32]:
    """Return softmax(logits / temperature) over the last axis, float32."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: npt.NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Return the temperature in [0.05, 20] that gives ``labels`` the highest likelihood.

    The likelihood is concave in 1 / temperature, so there is one answer, and narrowing an interval finds it.

    Shape:
        logits ``(examples, classes)``; labels ``(examples,)``, at least one.

    Raises:
        ValueError: there are no examples, or not as many labels as logits.
    """
    if not len(labels) or len(labels) != len(logits):
        message = f"a temperature needs as many labels as logits, at least one: {len(labels)} and {len(logits)}"
        raise ValueError(message)
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(_SEARCH_STEPS):
        left, right = (2 * low + high) / 3, (low + 2 * high) / 3
        if _cross_entropy(logits, labels, np.exp(left)) <= _cross_entropy(logits, labels, np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _cross_entropy(logits: Floats, labels: Ints, temperature: float) -> float:
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    likelihood = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
    return -float(likelihood.mean())


def expected_calibration_error(probability: Floats, labels: Ints, bins: int = _BINS) -> float:
    """Return the gap between confidence and accuracy, averaged over equally wide bins of confidence by their size.

    Shape:
        probability ``(examples, classes)``; labels ``(examples,)``.
    """
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
