"""The signs of the triplet losses, and the published one's inversion, which is a finding about the paper."""

import math

import pytest
import torch
from torch import Tensor

from models.networks import losses
from models.networks.losses import (
    ExtractorLossWeights,
    corrected_triplet,
    covariance_loss,
    extractor_loss,
    facenet_triplet,
    mine_triplets,
    published_triplet,
    variance_loss,
)

DISTANCES = (0.1, 0.3, 0.45, 0.6, 1.0, 1.4, 1.8)


def at_distance(distance: float, side: float = 1.0) -> Tensor:
    """Return the point of the unit circle ``distance`` away from (1, 0)."""
    angle = side * 2 * math.asin(distance / 2)
    return torch.tensor([[math.cos(angle), math.sin(angle)]])


def cost_parts(loss: object, d_ap: float, d_an: float) -> Tensor:
    """Return the loss of a triplet on the unit circle, positive and negative on either side of the anchor."""
    anchor = torch.tensor([[1.0, 0.0]])
    return loss(anchor, at_distance(d_ap), at_distance(d_an, side=-1.0))  # type: ignore[operator,no-any-return]


def slope(form: str, pair: str, distance: float) -> float:
    """Return dL/dd of one distance alone, the two others fixed where the loss is active."""
    moving = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
    fixed = torch.tensor(0.4, dtype=torch.float64)
    distances = {"ap": (moving, fixed, fixed), "an": (fixed * 4, moving, fixed)}[pair]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "_distances", lambda *_: distances)
        loss = losses._TRIPLET_LOSSES[form](moving, moving, moving)
    assert loss > 0
    loss.backward()
    assert moving.grad is not None
    return float(moving.grad)


@pytest.mark.parametrize("form", ["corrected", "facenet"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_positives_attract_at_every_distance(form: str, distance: float) -> None:
    assert slope(form, "ap", distance) > 0


@pytest.mark.parametrize(("form", "furthest"), [("corrected", 2.0), ("facenet", 1.6)])
@pytest.mark.parametrize("distance", DISTANCES)
def test_negatives_repel_at_every_distance(form: str, furthest: float, distance: float) -> None:
    if distance <= furthest:  # beyond it FaceNet's triplet is solved
        assert slope(form, "an", distance) < 0


def test_published_positives_repel_below_0_520() -> None:
    assert slope("published", "ap", 0.519) < 0 < slope("published", "ap", 0.521)
    assert all(slope("published", "ap", distance) < 0 for distance in DISTANCES if distance < 0.52)


def test_published_negatives_attract_above_0_307() -> None:
    assert slope("published", "an", 0.306) < 0 < slope("published", "an", 0.308)
    assert all(slope("published", "an", distance) > 0 for distance in DISTANCES if distance > 0.307)


def test_published_prefers_total_collapse_to_the_ideal_triplet() -> None:
    anchor, opposite = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    ideal, collapse = published_triplet(anchor, anchor, opposite), published_triplet(anchor, anchor, anchor)
    assert ideal.item() == pytest.approx(111.2, abs=0.1)
    assert collapse.item() == pytest.approx(4.04, abs=0.01)


@pytest.mark.parametrize("loss", [corrected_triplet, facenet_triplet])
def test_the_right_losses_prefer_the_ideal_triplet_to_collapse(loss: object) -> None:
    assert cost_parts(loss, 0.0, 2.0).item() == pytest.approx(0.0, abs=1e-3)
    assert cost_parts(loss, 0.0, 0.0).item() > 0.1
    assert cost_parts(loss, 2.0, 0.1) > cost_parts(loss, 0.5, 0.5) > cost_parts(loss, 0.1, 1.0)


def test_corrected_is_its_formula() -> None:
    d_ap, d_an = 1.2, 0.8
    d_pn = 2 * math.sin(math.asin(d_ap / 2) + math.asin(d_an / 2))
    margin = 0.1 + 0.2 * (math.exp(-4 * (1 - d_ap / 2)) + math.exp(-4 * d_an / 2))
    expected = d_ap / 2 - (d_an + d_pn) / 4 + margin
    assert expected > 0
    assert cost_parts(corrected_triplet, d_ap, d_an).item() == pytest.approx(expected, abs=1e-5)


def test_published_is_equations_10_and_11() -> None:
    d_ap, d_an = 0.6, 0.8
    d_pn = 2 * math.sin(math.asin(d_ap / 2) + math.asin(d_an / 2))
    margin = (1 + 2 / math.exp(4 * d_ap)) + (1 + 2 / math.exp(-4 * d_an + 4))
    expected = d_ap - (d_an + d_pn) / 2 + margin
    assert cost_parts(published_triplet, d_ap, d_an).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", losses.TRIPLET_FORMS)
def test_identical_embeddings_have_finite_gradients(form: str) -> None:
    embeddings = torch.ones(3, 4, requires_grad=True)
    losses._TRIPLET_LOSSES[form](*embeddings.unsqueeze(1)).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


@pytest.mark.parametrize("form", losses.TRIPLET_FORMS)
def test_triplet_losses_do_not_depend_on_the_scale(form: str) -> None:
    torch.manual_seed(0)
    triplets = torch.randn(3, 5, 8)
    loss = losses._TRIPLET_LOSSES[form]
    assert loss(*triplets).item() == pytest.approx(loss(*(triplets * 7)).item(), rel=1e-4)


def test_corrected_separates_classes_that_start_mixed() -> None:
    torch.manual_seed(0)
    embeddings = torch.nn.Parameter(torch.randn(24, 4))
    labels = torch.arange(24) % 3
    optimizer = torch.optim.Adam([embeddings], lr=0.05)
    for _ in range(80):
        loss = corrected_triplet(*(embeddings[rows] for rows in mine_triplets(embeddings, labels, "all")))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unit = torch.nn.functional.normalize(embeddings.detach(), dim=1)
    nearest = (torch.cdist(unit, unit) + 9 * torch.eye(24)).argmin(dim=1)
    assert (labels[nearest] == labels).all()


def test_variance_loss_asks_for_a_deviation_of_one() -> None:
    spread = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])
    assert variance_loss(spread).item() == pytest.approx((0 + 1 - math.sqrt(1e-4)) / 2)
    assert variance_loss(torch.tensor([[-0.5, -2.0], [0.5, 2.0]])).item() == pytest.approx((1 - 0.5**0.5) / 2, abs=1e-3)


def test_variance_loss_spreads_collapsed_embeddings() -> None:
    embeddings = (0.1 * torch.tensor([[-1.0], [1.0]])).requires_grad_()
    variance_loss(embeddings).backward()
    assert embeddings.grad is not None
    assert embeddings.grad[0] > 0 > embeddings.grad[1]


def test_covariance_loss_of_a_hand_made_case() -> None:
    correlated = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])  # covariance 2 * (1 * 2) / (2 - 1) = 4
    assert covariance_loss(correlated).item() == pytest.approx(2 * 4.0**2 / 2)
    uncorrelated = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert covariance_loss(uncorrelated + 5).item() == pytest.approx(0.0)


CIRCLE = torch.cat([at_distance(d) for d in (0.0, 0.2)] + [at_distance(d, -1.0) for d in (0.3, 1.5)])
CLASSES = torch.tensor([0, 0, 1, 1])


def mined(mining: losses.Mining) -> set[tuple[int, int, int]]:
    return {tuple(row) for row in torch.stack(mine_triplets(CIRCLE, CLASSES, mining), dim=1).tolist()}


def test_all_triplets_are_mined() -> None:
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]
    assert mined("all") == {(a, p, n) for a, p in pairs for n in range(4) if CLASSES[n] != CLASSES[a]}


def test_semi_hard_triplets_have_a_negative_farther_than_the_positive_but_within_the_margin() -> None:
    # Anchor 0: positive at 0.2; the negative at 0.3 is within the margin, that at 1.5 far beyond.
    assert {(0, 1, 2)} <= mined("semi-hard") <= mined("all")
    assert (0, 1, 3) not in mined("semi-hard")
    assert (2, 3, 0) not in mined("semi-hard")  # its negative is nearer than its positive


def test_hard_triplets_have_the_farthest_positive_and_the_nearest_negative() -> None:
    assert mined("hard") == {(0, 1, 2), (1, 0, 2), (2, 3, 0), (3, 2, 0)}


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
def test_a_batch_of_one_class_has_no_triplets(mining: losses.Mining) -> None:
    assert all(not len(rows) for rows in mine_triplets(CIRCLE, torch.zeros(4), mining))


def test_the_extractor_loss_is_the_weighted_sum() -> None:
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    triplets = mine_triplets(embeddings, labels, "all")
    expected = (
        2 * corrected_triplet(*(embeddings[rows] for rows in triplets))
        + 3 * covariance_loss(embeddings)
        + 4 * variance_loss(embeddings)
    )
    total = extractor_loss(embeddings, labels, ExtractorLossWeights(2, 3, 4), mining="all")
    torch.testing.assert_close(total, expected)


def test_the_extractor_loss_of_a_batch_without_triplets_is_the_two_others() -> None:
    embeddings = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    expected = 5 * covariance_loss(embeddings) + variance_loss(embeddings)
    torch.testing.assert_close(extractor_loss(embeddings, torch.zeros(4)), expected)


def test_a_large_batch_draws_at_most_1024_triplets(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    def count(anchor: Tensor, *_: Tensor) -> Tensor:
        counts.append(len(anchor))
        return anchor.sum()

    monkeypatch.setitem(losses._TRIPLET_LOSSES, "corrected", count)
    embeddings = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    extractor_loss(embeddings, torch.arange(64) % 7, mining="all")
    assert counts == [losses.MAX_TRIPLETS]
