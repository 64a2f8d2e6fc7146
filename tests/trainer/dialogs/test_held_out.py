import numpy as np
import pytest

from models.labels import LABELS
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.held_out import HeldOutRates

CLASSES = len(LABELS)


def says(named: int, logit: float) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[named] * np.float32(logit)


@pytest.fixture
def rates() -> HeldOutRates:
    """Of a branch that takes label 0 for label 1 in half of the cases, and unsurely; nothing else is ever wrong."""
    named = [0, 0, 1, 1, *range(1, CLASSES)]
    logits = np.stack([says(one, 2.0 if row in (2, 3) else 6.0) for row, one in enumerate(named)])
    return HeldOutRates.of(logits, np.array([0, 0, 0, 0, *range(1, CLASSES)]), temperature=1.0)


def test_rates_are_distributions_that_tell_who_is_taken_for_whom(rates: HeldOutRates) -> None:
    assert rates.rates.sum(axis=1) == pytest.approx(1.0)
    by_name = rates.rates.reshape(CLASSES, CLASSES, -1).sum(axis=2)
    assert by_name[0, :2].tolist() == [0.5, 0.5]
    assert by_name[1:] == pytest.approx(np.eye(CLASSES)[1:])


def test_a_label_that_dev_lacks_is_taken_as_right() -> None:
    lacking = HeldOutRates.of(says(0, 1.0)[None], np.array([0]), temperature=1.0)
    assert lacking.rates[3].reshape(CLASSES, -1).sum(axis=1).tolist() == np.eye(CLASSES)[3].tolist()


def test_surer_answers_are_in_higher_cells_of_the_same_name() -> None:
    logits = np.stack([says(2, strength) for strength in np.linspace(0.5, 8, 30)])
    found = HeldOutRates.of(logits, np.full(30, 2), temperature=2.0)
    cells = found.cells(logits)
    assert (np.diff(cells) >= 0).all()
    assert set(cells) == {6, 7, 8}
    assert found.rates[2, 6:9] == pytest.approx(1 / 3)


def test_a_bank_is_as_often_wrong_as_the_branch_was_on_dev_however_well_it_learned(rates: HeldOutRates) -> None:
    labels = np.repeat(np.arange(CLASSES), 10)
    views = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1)
    logits = np.stack([says(label, 6.0) for label in labels])
    logits[0] = says(1, 2.0)  # one of ten of label 0 is wrong, where on dev it was every other
    bank = FeatureBank.of(views, labels, ["a"] * len(labels), logits, rates)
    generator = np.random.default_rng(0)
    drawn = np.array([bank.draw(0, generator)[0] for _ in range(2000)])
    assert np.mean(drawn == 0) == pytest.approx(0.5, abs=0.05)
    assert (drawn < 10).all(), "whatever the branch says of it, the example is of the label asked for"
    assert {int(bank.draw(3, generator)[0]) // 10 for _ in range(50)} == {3}


def test_what_is_said_only_on_dev_is_drawn_of_what_there_is(rates: HeldOutRates) -> None:
    labels = np.arange(CLASSES)
    logits = np.stack([says((label + 1) % CLASSES, 6.0) for label in labels])
    bank = FeatureBank.of(np.arange(CLASSES, dtype=np.float32).reshape(-1, 1, 1), labels, ["a"] * 7, logits, rates)
    assert bank.draw(4, np.random.default_rng(0)).tolist() == [4.0]
