import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from trainer.dialogs.features import SKIP
from trainer.fit.metrics import Ints
from trainer.stages.imbalance import (
    ImbalanceSettings,
    Remedy,
    class_counts,
    effective_number_weights,
    focal_loss,
    log_prior,
    logit_adjusted_loss,
    loss_function,
)

COUNTS = np.array([4710, 1205, 268, 683, 1743, 271, 1109], np.int64)  # MELD's training labels


def example(classes: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (20,), generator=generator)
    labels[3] = SKIP
    return torch.randn(20, classes, generator=generator), labels


def test_labels_are_counted_whatever_the_number_of_classes() -> None:
    assert class_counts(np.array([0, 2, 2, 5], np.int64), 6).tolist() == [1, 0, 2, 0, 0, 1]


def test_weights_are_those_of_the_effective_number_of_samples() -> None:
    """E_n = (1 - beta^n) / (1 - beta) is the sum of beta^0 ... beta^(n - 1); the weights go by its inverse."""
    beta = 0.9
    counts = np.array([1, 3, 10], np.int64)
    effective = np.array([sum(beta**power for power in range(count)) for count in counts])
    expected = 3 * (1 / effective) / (1 / effective).sum()
    assert effective_number_weights(counts, beta).numpy() == pytest.approx(expected, rel=1e-6)


def test_weights_go_from_none_at_all_to_the_inverse_of_the_counts() -> None:
    assert effective_number_weights(COUNTS, 0.0).tolist() == pytest.approx([1.0] * 7)
    inverse = effective_number_weights(COUNTS, 1 - 1e-9).numpy() * COUNTS
    assert inverse == pytest.approx(np.full(7, inverse[0]), rel=1e-3)


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=9).filter(any), st.floats(0, 0.9999))
def test_weights_have_mean_one_where_classes_occur_and_are_none_elsewhere(counts: list[int], beta: float) -> None:
    found = np.array(counts, np.int64)
    weights = effective_number_weights(found, beta).numpy()
    assert weights[found > 0].mean() == pytest.approx(1, rel=1e-4)
    assert (weights[found == 0] == 0).all()
    assert (np.diff(weights[found > 0][np.argsort(found[found > 0])]) <= 1e-5).all(), "the rarer, the heavier"


def test_focal_loss_is_the_formula_of_its_paper() -> None:
    logits, labels = example()
    expected = [
        -((1 - row.softmax(0)[label]) ** 2) * row.softmax(0)[label].log()
        for row, label in zip(logits, labels, strict=True)
        if label != SKIP
    ]
    torch.testing.assert_close(focal_loss(logits, labels, gamma=2.0), torch.stack(expected).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_without_focus_is_cross_entropy(smoothing: float) -> None:
    logits, labels = example()
    expected = functional.cross_entropy(logits, labels, ignore_index=SKIP, label_smoothing=smoothing)
    torch.testing.assert_close(focal_loss(logits, labels, 0.0, smoothing), expected)


def test_focal_loss_has_a_finite_gradient_where_all_is_certain() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0, 0]), gamma=0.5).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_logit_adjustment_is_the_formula_of_its_paper() -> None:
    """Equation 10: log(1 + the sum over other classes of (pi' / pi_y)^tau * exp(f' - f_y))."""
    logits, labels = example()
    share = torch.from_numpy(COUNTS / COUNTS.sum()).float()
    tau = 0.7
    expected = []
    for row, label in zip(logits, labels, strict=True):
        if label != SKIP:
            others = [c for c in range(7) if c != label]
            ratio = (share[others] / share[label]) ** tau
            expected.append(torch.log1p((ratio * (row[others] - row[label]).exp()).sum()))
    torch.testing.assert_close(
        logit_adjusted_loss(logits, labels, log_prior(COUNTS), tau), torch.stack(expected).mean()
    )


def test_a_network_that_knows_only_the_prior_learns_no_preference_by_logit_adjustment() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    prior = log_prior(class_counts(labels.numpy(), 3))
    logit_adjusted_loss(logits.expand(10, -1), labels, prior, tau=1.0).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_a_class_that_never_occurs_has_a_finite_prior() -> None:
    assert log_prior(np.array([5, 0], np.int64)).isfinite().all()


def test_class_balance_is_weighted_cross_entropy() -> None:
    logits, labels = example()
    settings = ImbalanceSettings(remedy="class_balanced", beta=0.99)
    kept = labels != SKIP
    weights = effective_number_weights(COUNTS, 0.99)[labels[kept]]
    rows = functional.cross_entropy(logits[kept], labels[kept], reduction="none")
    expected = (weights * rows).sum() / weights.sum()
    torch.testing.assert_close(loss_function(settings, COUNTS)(logits, labels), expected)


@pytest.mark.parametrize("remedy", ["none", "class_balanced", "focal", "logit_adjustment"])
@pytest.mark.parametrize("classes", [2, 6, 7])
def test_every_remedy_takes_any_number_of_classes_and_forgets_what_does_not_count(remedy: Remedy, classes: int) -> None:
    logits, labels = example(classes)
    counts: Ints = np.arange(1, classes + 1, dtype=np.int64) * 10
    loss = loss_function(ImbalanceSettings(remedy=remedy), counts, smoothing=0.05)
    kept = labels != SKIP
    torch.testing.assert_close(loss(logits, labels), loss(logits[kept], labels[kept]))
    assert loss(logits, labels).isfinite()


def test_without_a_remedy_the_loss_is_the_papers() -> None:
    logits, labels = example()
    expected = functional.cross_entropy(logits, labels, ignore_index=SKIP)
    torch.testing.assert_close(loss_function(ImbalanceSettings(), COUNTS)(logits, labels), expected)
