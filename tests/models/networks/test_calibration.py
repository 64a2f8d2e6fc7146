import numpy as np
import pytest

from models.networks.calibration import COLDEST, HOTTEST, expected_calibration_error, fit_temperature, probabilities


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
