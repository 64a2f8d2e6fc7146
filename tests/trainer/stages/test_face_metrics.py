import numpy as np
import pytest

from models.labels import LABEL_INDEX, LABELS
from trainer.data.faces import FaceSet, joined
from trainer.stages.face_metrics import face_corpus_metrics, judged

JOY, NEUTRAL, ANGER = (LABEL_INDEX[name] for name in ("joy", "neutral", "anger"))


def face_set(labels: list[int], votes: list[dict[int, float]] | None = None) -> FaceSet:
    shares = None
    if votes is not None:
        shares = np.zeros((len(labels), len(LABELS)), np.float32)
        for row, given in enumerate(votes):
            for label, share in given.items():
                shares[row, label] = share
    return FaceSet(np.zeros((len(labels), 48, 48), np.uint8), np.array(labels), votes=shares)


@pytest.fixture
def both() -> FaceSet:
    voted = face_set([JOY, ANGER, NEUTRAL, JOY], [{JOY: 0.9}, {NEUTRAL: 0.8, ANGER: 0.2}, {NEUTRAL: 0.5}, {JOY: 0.6}])
    return joined({"fer2013": voted, "faces_press": face_set([NEUTRAL, JOY])})


def test_faces_are_judged_by_labels_and_by_what_over_half_saw(both: FaceSet) -> None:
    found = {one.name: (one.rows.tolist(), one.truth.tolist()) for one in judged(both)}
    assert found == {
        "faces_press": ([4, 5], [NEUTRAL, JOY]),
        "fer2013": ([0, 1, 2, 3], [JOY, ANGER, NEUTRAL, JOY]),
        "fer2013 clear majorities": ([0, 1, 3], [JOY, NEUTRAL, JOY]),
    }


def test_a_checkpoint_is_chosen_by_clear_majorities_and_labels_each_corpus_counting_alike(both: FaceSet) -> None:
    logits = np.eye(len(LABELS), dtype=np.float32)[[JOY, NEUTRAL, JOY, ANGER, NEUTRAL, NEUTRAL]]
    metrics = face_corpus_metrics(logits, both)
    assert metrics == pytest.approx(
        {
            "mean_accuracy": (2 / 3 + 1 / 2) / 2,
            "faces_press": 1 / 2,
            "faces_press neutral": 1.0,
            "fer2013": 1 / 4,
            "fer2013 neutral": 0.0,
            "fer2013 clear majorities": 2 / 3,
            "fer2013 clear majorities neutral": 1.0,
        }
    )


def test_faces_of_no_corpus_or_of_identities_have_fewer_figures() -> None:
    assert face_corpus_metrics(np.zeros((2, 7), np.float32), face_set([JOY, ANGER])) == {}
    people = FaceSet(np.zeros((1, 48, 48), np.uint8), np.array([0]), ("ann",), corpora=("imagefolder",))
    assert face_corpus_metrics(np.ones((1, 1), np.float32), people) == {"mean_accuracy": 1.0, "imagefolder": 1.0}
