import numpy as np
import pytest

from trainer.fit.metrics import accuracy, macro_f1, unweighted_accuracy, weighted_f1

TRUTH = np.array([0, 0, 0, 1, 4], np.int64)
PREDICTED = np.array([0, 0, 4, 1, 1], np.int64)


def test_metrics_by_hand() -> None:
    """Class 0: recall 2/3, precision 1, F1 0.8; class 1: recall 1, precision 1/2, F1 2/3; class 4: 0."""
    assert accuracy(TRUTH, PREDICTED) == pytest.approx(3 / 5)
    assert unweighted_accuracy(TRUTH, PREDICTED) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert macro_f1(TRUTH, PREDICTED) == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert weighted_f1(TRUTH, PREDICTED) == pytest.approx(0.6 * 0.8 + 0.2 * 2 / 3)


def test_a_class_that_does_not_occur_does_not_count() -> None:
    assert unweighted_accuracy(np.array([3, 3]), np.array([3, 5])) == pytest.approx(0.5)
