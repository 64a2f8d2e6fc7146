"""The face rows of the starter's report: all dev faces, and each corpus by its labels and by what most people saw."""

from collections.abc import Iterator, Sequence
from typing import Final

from models.bundle import Bundle
from trainer.dev_outputs import DevOutputs
from trainer.evaluation.report import NamedScores, RowName
from trainer.evaluation.scores import Scores, score
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.face_metrics import MAJORITY, judged, judged_name

FACE: Final = "face branch"
_BOUNDS: Final = {
    ("fer2013", "", ""): 0.66,
    ("fer2013", MAJORITY, ""): 0.90,
    ("faces_press", "", ""): 0.80,
    ("faces_press", "", "neutral"): 0.77,
}
"""What is asked on a corpus, by its labels or by clear majorities: accuracy, or the recall of one emotion."""


def face_row_name(corpus: str, by: str) -> str:
    """Return what the row of a corpus is called; see :class:`trainer.stages.face_metrics.Judged`."""
    return f"{FACE}, {judged_name(corpus, by)}"


def face_rows(bundle: Bundle, outputs: DevOutputs) -> Iterator[NamedScores]:
    """Yield the face branch's scores on all dev faces, and on each corpus by its labels and by clear majorities."""
    faces, logits = outputs.data.faces_dev, outputs.face.logits

    def row(name: str, truth: Ints, found: Floats) -> NamedScores:
        scores = score(truth, found, bundle.config.labels, bundle.config.temperatures.face)
        return NamedScores(name=RowName(network=name, modalities="face"), scores=scores)

    yield row(FACE, faces.labels, logits)
    for one in judged(faces):
        yield row(face_row_name(one.corpus, one.by), one.truth, logits[one.rows])


def face_demands(rows: Sequence[tuple[RowName, Scores]]) -> Iterator[tuple[str, float, float]]:
    """Yield what is demanded of the corpora that there are: in words, what is reached, and the least it must be."""
    found = {name.network: scores for name, scores in rows}
    for (corpus, by, emotion), bound in _BOUNDS.items():
        scores = found.get(face_row_name(corpus, by))
        if scores is not None:
            what, value = "accuracy", scores.accuracy
            if emotion:
                what, value = f"recall of {emotion}", scores.per_class[emotion].recall
            yield f"{face_row_name(corpus, by)}: {what} at least {bound:.0%}", value, bound
