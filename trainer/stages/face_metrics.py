"""How well a face branch does on dev, on each corpus: by its labels, and by what most people saw where they voted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.labels import LABEL_INDEX, LABELS
from trainer.data.faces import FaceSet
from trainer.fit.metrics import Ints, Metrics, accuracy
from trainer.fit.outputs import Floats

MAJORITY: Final = "clear majorities"
_OVER: Final = 0.5


@dataclass(frozen=True)
class Judged:
    """Some of the faces, and what they are to be taken for.

    Attributes:
        corpus: which they are of.
        by: what the truth is: empty for the corpus's labels, or :data:`MAJORITY`.
        rows: ``(n,)`` of all faces.
        truth: ``(n,)``, as indices of the classes.
    """

    corpus: str
    by: str
    rows: Ints
    truth: Ints

    @property
    def name(self) -> str:
        """Return what it is called."""
        return judged_name(self.corpus, self.by)


def judged_name(corpus: str, by: str) -> str:
    """Return what the faces of a corpus are called that are judged by something."""
    return f"{corpus} {by}".strip()


def judged(faces: FaceSet) -> Iterator[Judged]:
    """Yield the faces of each corpus by its labels and, where people voted, those that over half of them agreed on."""
    for corpus in sorted(set(faces.corpora)):
        rows = faces.of_corpus(corpus)
        yield Judged(corpus, "", rows, faces.labels[rows])
        clear = rows[faces.shares()[rows].max(axis=1) > _OVER]
        if len(clear):
            yield Judged(corpus, MAJORITY, clear, faces.shares()[clear].argmax(axis=1))


def face_corpus_metrics(logits: Floats, faces: FaceSet) -> Metrics:
    """Return each corpus's accuracy by its labels and by clear majorities, and its recall of neutral faces.

    ``mean_accuracy``, by which a checkpoint is chosen, is the mean over the corpora, by clear majorities where there
    are any and by labels elsewhere.
    """
    predicted = logits.argmax(axis=1)
    found: Metrics = {}
    best: dict[str, float] = {}
    for one in judged(faces):
        found[one.name] = best[one.corpus] = accuracy(one.truth, predicted[one.rows])
        neutral = one.truth == LABEL_INDEX["neutral"]
        if faces.classes == LABELS and neutral.any():
            found[f"{one.name} neutral"] = accuracy(one.truth[neutral], predicted[one.rows][neutral])
    return {"mean_accuracy": float(np.mean(list(best.values()))), **found} if best else {}
