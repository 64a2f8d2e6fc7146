"""The reliability diagram: how often answers given with some confidence are right."""

from pydantic import BaseModel, ConfigDict

from models.networks.calibration import BINS, confidence_bins, probabilities
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats


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
    found = confidence_bins(probabilities(logits), truth)
    rows = zip(found.counts.tolist(), found.confidence.tolist(), found.accuracy.tolist(), strict=True)
    return tuple(
        ReliabilityBin(low=index / BINS, high=(index + 1) / BINS, count=count, confidence=mean, accuracy=share)
        for index, (count, mean, share) in enumerate(rows)
    )
