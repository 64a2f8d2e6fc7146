"""The result of an evaluation: rows of scores, over one bundle or over several that differ in their seed."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from trainer.evaluation.reliability import Reliability, ReliabilityBin
from trainer.evaluation.scores import ClassScores, EvaluationError, Scores

FIGURES: Final = ("weighted_f1", "macro_f1", "accuracy", "unweighted_accuracy", "ece")
"""The scores that are one number."""
SURENESS: Final = ("uncertain", "sure_precision")
"""Those that only an answer has which may be told as uncertain."""


class RowName(BaseModel):
    """What one row of scores is of.

    Attributes:
        network: ``fusion``, or the branch that answered alone.
        modalities: what it was given, such as ``text + audio``.
        view: how much of the dialog was known, in words; empty where there is none.
        words: ``gold`` for the corpus's transcript, ``recognised`` for a speech recogniser's; empty without text.
    """

    model_config = ConfigDict(frozen=True)

    network: str
    modalities: str
    view: str = ""
    words: str = ""


class NamedScores(BaseModel):
    """One row of one bundle."""

    model_config = ConfigDict(frozen=True)

    name: RowName
    scores: Scores


class ScoreRow(BaseModel):
    """One row over all bundles."""

    model_config = ConfigDict(frozen=True)

    name: RowName
    scores: tuple[Scores, ...]

    @property
    def mean(self) -> Scores:
        """Return the scores, averaged over the bundles; see :func:`averaged`."""
        return averaged(self.scores)

    @property
    def deviation(self) -> dict[str, float]:
        """Return the sample standard deviation over the bundles, empty for one bundle."""
        if len(self.scores) < 2:  # noqa: PLR2004 - one bundle has none
            return {}
        return {name: float(np.std([getattr(found, name) for found in self.scores], ddof=1)) for name in FIGURES}


class Report(BaseModel):
    """All rows of an evaluation; the first is the one that was asked for."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    split: str
    bundles: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> ScoreRow:
        """Return the row that was asked for."""
        return self.rows[0]

    def as_json(self) -> dict[str, Any]:
        """Return the main row's scores at the top, then what they are of, and all rows."""
        return {
            **self.main.mean.model_dump(),
            "deviation": self.main.deviation,
            "row": self.main.name.model_dump(),
            **self.model_dump(include={"dataset", "split", "bundles", "notes"}),
            "rows": [
                {**row.name.model_dump(), "deviation": row.deviation, **row.mean.model_dump()} for row in self.rows
            ],
        }


def over_bundles(found: Sequence[Sequence[NamedScores]]) -> tuple[ScoreRow, ...]:
    """Return the rows of several bundles side by side.

    Raises:
        EvaluationError: the bundles don't have the same rows or labels.
    """
    names = [[row.name for row in rows] for rows in found]
    labels = {row.scores.labels for rows in found for row in rows}
    if any(other != names[0] for other in names) or len(labels) > 1:
        message = "the bundles differ in more than their seed (labels or branches): evaluate them one by one"
        raise EvaluationError(message)
    return tuple(
        ScoreRow(name=rows[0].name, scores=tuple(row.scores for row in rows)) for rows in zip(*found, strict=True)
    )


def averaged(scores: Sequence[Scores]) -> Scores:
    """Return the mean of each number; the counts of confusion and reliability are added up, ``n`` is one bundle's."""
    if len(scores) == 1:
        return scores[0]
    first = scores[0]
    return Scores(
        **{name: _mean(scores, attrgetter(name)) for name in (*FIGURES, "ece_before", "temperature")},
        **{name: _mean(scores, attrgetter(name)) for name in SURENESS if getattr(first, name) is not None},
        per_class={label: _mean_class([found.per_class[label] for found in scores]) for label in first.labels},
        confusion=np.sum([found.confusion for found in scores], axis=0).tolist(),
        reliability=Reliability(
            before=_joined([found.reliability.before for found in scores]),
            after=_joined([found.reliability.after for found in scores]),
        ),
        labels=first.labels,
        n=first.n,
    )


def _mean(scores: Sequence[Any], of: Callable[[Any], float]) -> float:
    return float(np.mean([of(found) for found in scores]))


def _mean_class(found: Sequence[ClassScores]) -> ClassScores:
    return ClassScores(
        **{name: _mean(found, attrgetter(name)) for name in ("precision", "recall", "f1")},
        support=found[0].support,
    )


def _joined(found: Sequence[Sequence[ReliabilityBin]]) -> tuple[ReliabilityBin, ...]:
    return tuple(_joined_bin(bins) for bins in zip(*found, strict=True))


def _joined_bin(bins: Sequence[ReliabilityBin]) -> ReliabilityBin:
    counts = np.array([one.count for one in bins])
    weights = counts / max(1, counts.sum())
    return bins[0].model_copy(
        update={
            "count": int(counts.sum()),
            "confidence": float(weights @ [one.confidence for one in bins]),
            "accuracy": float(weights @ [one.accuracy for one in bins]),
        }
    )
