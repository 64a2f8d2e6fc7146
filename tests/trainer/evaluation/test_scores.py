import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from models.labels import LABELS
from trainer.evaluation.reliability import reliability_bins
from trainer.evaluation.scores import EvaluationError, score
from trainer.fit.metrics import Ints, accuracy, confusion, macro_f1, unweighted_accuracy, weighted_f1
from trainer.fit.outputs import Floats

CLASSES = len(LABELS)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Ints, Ints]:
    size = draw(st.integers(1, 40))
    labels = arrays(np.int64, size, elements=st.integers(0, CLASSES - 1))
    return draw(labels), draw(labels)


@given(answers())
@settings(max_examples=30)
def test_scikit_learn_and_torchmetrics_agree(found: tuple[Ints, Ints]) -> None:
    truth, predicted = found
    right, said = torch.from_numpy(truth), torch.from_numpy(predicted)
    occurring = torch.from_numpy(np.unique(truth))
    f1 = multiclass_f1_score(said, right, CLASSES, average="none")[occurring].mean()
    recall = multiclass_accuracy(said, right, CLASSES, average="none")[occurring].mean()
    assert accuracy(truth, predicted) == pytest.approx(float((right == said).float().mean()), abs=1e-6)
    assert weighted_f1(truth, predicted) == pytest.approx(
        float(multiclass_f1_score(said, right, CLASSES, average="weighted")), abs=1e-6
    )
    assert macro_f1(truth, predicted) == pytest.approx(float(f1), abs=1e-6)
    assert unweighted_accuracy(truth, predicted) == pytest.approx(float(recall), abs=1e-6)
    assert confusion(truth, predicted, CLASSES).tolist() == multiclass_confusion_matrix(said, right, CLASSES).tolist()


def random_logits(count: int, seed: int = 0) -> tuple[Ints, Floats]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (count, CLASSES)).astype(np.float32)
    return generator.integers(0, CLASSES, count), logits


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_calibration_error_is_that_of_torchmetrics(temperature: float) -> None:
    truth, logits = random_logits(300)
    chances = torch.softmax(torch.from_numpy(logits) / temperature, dim=1)
    expected = multiclass_calibration_error(chances, torch.from_numpy(truth), CLASSES, n_bins=15, norm="l1")
    found = score(truth, logits, LABELS, temperature)
    assert found.ece == pytest.approx(float(expected), abs=1e-5)
    assert found.ece_before == pytest.approx(score(truth, logits, LABELS).ece)


def test_what_is_less_sure_than_its_threshold_is_left_out_of_the_precision() -> None:
    truth, logits = np.array([0, 0, 1, 1]), np.log([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2]])
    found = score(truth, logits, ("joy", "fear"), 1.0, np.array([0.5, 0.65, 0.5, 0.5], np.float32))
    assert (found.uncertain, found.sure_precision, found.accuracy) == (0.25, pytest.approx(2 / 3), 0.75)
    nothing = score(truth, logits, ("joy", "fear"), 1.0, np.ones(4, np.float32))
    assert (nothing.uncertain, nothing.sure_precision) == (1.0, 0.0)
    all_of_it = score(truth, logits, ("joy", "fear"))
    assert (all_of_it.uncertain, all_of_it.sure_precision) == (None, None)


def test_each_answer_may_have_its_own_temperature() -> None:
    truth, logits = random_logits(100)
    temperatures = np.where(np.arange(100) < 50, 0.5, 4.0).astype(np.float32)
    found = score(truth, logits, LABELS, temperatures)
    assert found.ece == pytest.approx(score(truth, logits / temperatures[:, None], LABELS).ece)
    assert found.temperature == pytest.approx(2.25)


def test_the_scores_hold_what_the_json_promises() -> None:
    truth, logits = random_logits(50)
    found = score(truth, logits, LABELS, 2.0).model_dump()
    assert {"weighted_f1", "macro_f1", "accuracy", "unweighted_accuracy", "ece", "per_class", "confusion", "n"} <= set(
        found
    )
    assert found["n"] == 50
    assert list(found["per_class"]) == list(LABELS)
    assert np.array(found["confusion"]).sum(axis=1).tolist() == [one["support"] for one in found["per_class"].values()]


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="nothing to score"):
        score(np.zeros(0, np.int64), np.zeros((0, CLASSES), np.float32), LABELS)


def test_the_bins_add_up_to_the_calibration_error() -> None:
    truth, logits = random_logits(200)
    bins = reliability_bins(logits, truth)
    error = sum(found.count * abs(found.confidence - found.accuracy) for found in bins) / 200
    assert sum(found.count for found in bins) == 200
    assert error == pytest.approx(score(truth, logits, LABELS).ece, abs=1e-6)
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)
