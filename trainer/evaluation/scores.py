"""The scores of one set of answers: what the JSON of ``m2fnet evaluate`` holds."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.networks.calibration import expected_calibration_error, probabilities
from models.user_error import UserError
from trainer.evaluation.reliability import Reliability, reliability_bins
from trainer.fit.metrics import Ints, accuracy, by_class, confusion, macro_f1, unweighted_accuracy, weighted_f1
from trainer.fit.outputs import Floats


class EvaluationError(UserError):
    """A bundle can't be scored on these data as asked; the message says why and what to do."""


class ClassScores(BaseModel):
    """The scores of one label; those that are not defined are 0."""

    model_config = ConfigDict(frozen=True)

    precision: float
    recall: float
    f1: float
    support: int


class Scores(BaseModel):
    """Scores as shares of 1.

    Attributes:
        weighted_f1: F1 averaged over labels by support.
        macro_f1: F1 averaged over the labels that occur.
        accuracy: the share of right answers.
        unweighted_accuracy: recall averaged over the labels that occur.
        ece: expected calibration error over 15 bins, after the temperature.
        ece_before: the same before it.
        temperature: what logits were divided by; the mean where it depends on what an utterance has.
        uncertain: the share of answers that are less sure than what is relied upon; None: all are relied upon.
        sure_precision: the share of right ones among the others, 0 if there is none.
        per_class: scores by label.
        confusion: counts, a row for each true label and a column for each predicted one, in the order of ``labels``.
        reliability: confidence and accuracy in the bins of the calibration error.
        labels: the bundle's labels.
        n: how many answers were scored.
    """

    model_config = ConfigDict(frozen=True)

    weighted_f1: float
    macro_f1: float
    accuracy: float
    unweighted_accuracy: float
    ece: float
    ece_before: float
    temperature: float
    uncertain: float | None = None
    sure_precision: float | None = None
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]
    reliability: Reliability
    labels: tuple[str, ...]
    n: int


def score(
    truth: Ints,
    logits: Floats,
    labels: Sequence[str],
    temperature: float | Floats = 1.0,
    threshold: Floats | None = None,
) -> Scores:
    """Return the scores of the likeliest labels.

    Shape:
        truth ``(n,)``, indices of ``labels``; logits ``(n, labels)``; temperature one number or ``(n,)``; threshold,
        the confidence from which on an answer is relied upon, ``(n,)``.

    Raises:
        EvaluationError: there is nothing to score.
    """
    if not len(truth):
        message = "nothing to score: the split holds no labelled example that could be read"
        raise EvaluationError(message)
    predicted = np.asarray(logits.argmax(axis=1), np.int64)
    tempered = np.asarray(logits / np.reshape(temperature, (-1, 1)), np.float32)
    return Scores(
        weighted_f1=weighted_f1(truth, predicted),
        macro_f1=macro_f1(truth, predicted),
        accuracy=accuracy(truth, predicted),
        unweighted_accuracy=unweighted_accuracy(truth, predicted),
        ece=expected_calibration_error(probabilities(tempered), truth),
        ece_before=expected_calibration_error(probabilities(logits), truth),
        temperature=float(np.mean(temperature)),
        **({} if threshold is None else _sureness(truth, probabilities(tempered), threshold)),
        per_class=_per_class(truth, predicted, labels),
        confusion=confusion(truth, predicted, len(labels)).tolist(),
        reliability=Reliability(before=reliability_bins(logits, truth), after=reliability_bins(tempered, truth)),
        labels=tuple(labels),
        n=len(truth),
    )


def _sureness(truth: Ints, probability: Floats, threshold: Floats) -> dict[str, float]:
    sure = probability.max(axis=1) >= threshold
    right = (probability.argmax(axis=1) == truth)[sure]
    return {"uncertain": float(np.mean(~sure)), "sure_precision": float(np.mean(right)) if len(right) else 0.0}


def _per_class(truth: Ints, predicted: Ints, labels: Sequence[str]) -> dict[str, ClassScores]:
    columns = zip(labels, *by_class(truth, predicted, len(labels)), strict=True)
    return {
        label: ClassScores(precision=float(precision), recall=float(recall), f1=float(f1), support=int(support))
        for label, precision, recall, f1, support in columns
    }
