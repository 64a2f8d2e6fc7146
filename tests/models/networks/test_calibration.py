import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.networks.calibration import (
    COLDEST,
    HOTTEST,
    expected_calibration_error,
    fit_temperature,
    fit_threshold,
    probabilities,
)


def test_probabilities_are_the_softmax_of_the_scaled_logits() -> None:
    logits = np.log(np.array([[1.0, 2.0, 5.0]])) * 2
    np.testing.assert_allclose(probabilities(logits, 2.0), [[0.125, 0.25, 0.625]], rtol=1e-6)


def test_probabilities_of_huge_logits_are_finite() -> None:
    np.testing.assert_array_equal(probabilities(np.array([[1e30, 0.0]])), [[1.0, 0.0]])


@pytest.mark.parametrize("overconfidence", [0.25, 0.5, 2.0, 4.0])
def test_the_temperature_undoes_a_known_overconfidence(overconfidence: float) -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(20_000, 7)) * 1.5
    labels = np.array([rng.choice(7, p=row / row.sum()) for row in probabilities(honest).astype(float)])
    assert fit_temperature(honest * overconfidence, labels) == pytest.approx(overconfidence, rel=0.05)
    before = expected_calibration_error(probabilities(honest * overconfidence), labels)
    after = expected_calibration_error(probabilities(honest * overconfidence, overconfidence), labels)
    assert after < 0.02 < before


def test_the_mean_confidence_becomes_the_accuracy() -> None:
    logits = np.array([[4.0, 0.0], [1.0, 0.0], [0.0, 9.0], [0.5, 0.0]])
    temperature = fit_temperature(logits, np.array([0, 0, 0, 0]))
    assert probabilities(logits, temperature).max(axis=1).mean() == pytest.approx(0.75, abs=1e-5)


def test_the_temperature_stays_bounded_where_there_is_no_best_one() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 3.0]])
    assert COLDEST <= fit_temperature(logits, np.array([0, 1])) < 0.2
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(HOTTEST)


def test_labels_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="as many labels"):
        fit_temperature(np.zeros((2, 3)), np.zeros(3, int))
    with pytest.raises(ValueError, match="at least one"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, int))


def test_calibration_error_of_a_hand_made_case() -> None:
    """Bin of 0.9: four examples, two right, gap 0.4; bin of 0.6: one right of one, gap 0.4; bin of 1.0: right."""
    probability = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] + [[0.0, 1.0]])
    labels = np.array([0, 0, 1, 1, 1, 1])
    assert expected_calibration_error(probability, labels) == pytest.approx((4 * 0.4 + 1 * 0.4 + 0) / 6)


def test_opposite_errors_in_different_bins_do_not_cancel_out() -> None:
    probability = np.array([[0.75, 0.25], [0.55, 0.45]])
    assert expected_calibration_error(probability, np.array([0, 1])) == pytest.approx((0.25 + 0.55) / 2)


answers = st.lists(st.tuples(st.integers(50, 100), st.booleans()), min_size=1, max_size=40)
"""How sure answers are, in hundredths, so that some are as sure as others, and whether they are right."""


@given(answers, st.integers(0, 20).map(lambda twentieths: twentieths / 20))
def test_the_threshold_is_the_least_confidence_from_which_on_answers_are_right_often_enough(
    told: list[tuple[int, bool]], precision: float
) -> None:
    sure = np.array([confidence / 100 for confidence, _ in told], np.float32)
    labels = np.array([0 if right else 1 for _, right in told])
    probability = np.stack([sure, 1 - sure], axis=1)
    threshold = fit_threshold(probability, labels, precision)

    def is_enough(least: float) -> bool:
        relied_upon = sure >= least
        return bool(relied_upon.any()) and (labels[relied_upon] == 0).sum() >= precision * relied_upon.sum()

    enough = [least for least in map(float, sure) if is_enough(least)]
    if not enough:
        assert threshold == 1.0
    elif is_enough(0.0):
        assert threshold == 0.0
    else:
        assert threshold == min(enough)


def test_more_is_left_open_where_more_has_to_be_right() -> None:
    probability = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([0, 0, 1, 0])
    assert [fit_threshold(probability, labels, share) for share in (0.7, 0.75, 0.8, 1.0)] == [0.0, 0.0, 0.8, 0.8]
    assert fit_threshold(probability, 1 - labels, 0.9) == 1.0
