"""The reliability diagram: how often answers given with some confidence are right."""

from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.networks.calibration import probabilities
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

BINS: Final = 15  # as many as the expected calibration error has


class ReliabilityBin(BaseModel):
    """The answers of one stretch of confidence: how many, how sure on average, and how often right."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class Reliability(BaseModel):
    """The bins before and after the temperature."""

    model_config = ConfigDict(frozen=True)

    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...]


def reliability_bins(logits: Floats, truth: Ints) -> tuple[ReliabilityBin, ...]:
    """Return equally wide bins of confidence from 0 to 1; the means of an empty one are 0.

    Shape:
        logits ``(n, classes)``; truth ``(n,)``.
    """
    probability = probabilities(logits)
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    shared = np.maximum(counts, 1)
    sure = np.bincount(place, weights=confidence, minlength=BINS) / shared
    correct = np.bincount(place, weights=right, minlength=BINS) / shared
    return tuple(
        ReliabilityBin(low=index / BINS, high=(index + 1) / BINS, count=count, confidence=mean, accuracy=share)
        for index, (count, mean, share) in enumerate(zip(counts.tolist(), sure.tolist(), correct.tolist(), strict=True))
    )
