"""One branch alone on its own kind of data: faces, and what voices (:mod:`trainer.evaluation.voices`) share with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.bundle import Bundle
from trainer.data.faces import FaceSet
from trainer.evaluation.notes import skipped_notes
from trainer.evaluation.relabel import relabelled
from trainer.evaluation.report import NamedScores, RowName
from trainer.evaluation.scores import EvaluationError, score
from trainer.fit.metrics import Ints
from trainer.stages.face import face_outputs


@dataclass(frozen=True)
class BranchScores:
    """A branch's scores, and what must be said about them."""

    rows: tuple[NamedScores, ...]
    notes: tuple[str, ...]


def face_row(bundle: Bundle, faces: FaceSet, corpus: str) -> BranchScores:
    """Return the visual branch's scores on faces.

    Raises:
        EvaluationError: the bundle has no visual branch or not the corpus's labels, or there are no faces.
    """
    if bundle.face is None:
        raise lacks(branch="visual")
    config = bundle.config
    truth = relabelled(faces.labels, faces.classes, config.labels, corpus)
    if not len(truth):
        message = "there are no faces in this split"
        raise EvaluationError(message)
    scores = score(truth, face_outputs(bundle.face, faces).logits, config.labels, config.temperatures.face)
    notes = (
        *lacking(truth, config.labels, corpus),
        *skipped_notes(faces.skipped, len(truth) + len(faces.skipped), "images"),
    )
    return BranchScores((NamedScores(name=RowName(network="visual branch", modalities="face"), scores=scores),), notes)


def lacking(truth: Ints, labels: Sequence[str], dataset: str) -> tuple[str, ...]:
    """Return a note on the labels that a corpus does not have, if there are any."""
    absent = [label for index, label in enumerate(labels) if index not in set(truth.tolist())]
    if not absent:
        return ()
    note = (
        f"{dataset} has no {', '.join(absent)}: the branch still chooses among all {len(labels)} labels, and "
        "averages over labels leave these out"
    )
    return (note,)


def lacks(branch: Literal["audio", "visual"]) -> EvaluationError:
    """Return the error of a bundle that has no such branch."""
    return EvaluationError(f"the bundle has no {branch} branch: take one that has")
