import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances

from trainer.stages.probes import (
    Embedded,
    ProbeError,
    ProbeSettings,
    knn_predictions,
    linear_predictions,
    pair_distances,
    probe,
    subsample,
)


def clusters(seed: int, spread: float = 0.1, count: int = 30) -> Embedded:
    """Return points around three directions."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    points = np.eye(3, 8)[labels] + spread * generator.standard_normal((count, 8))
    return Embedded(points.astype(np.float32), labels)


def noise(seed: int, count: int = 300) -> Embedded:
    generator = np.random.default_rng(seed)
    return Embedded(generator.standard_normal((count, 8)).astype(np.float32), generator.integers(0, 3, count))


@pytest.mark.parametrize("train", [None, clusters(1)])
def test_probes_find_what_is_there(train: Embedded | None) -> None:
    found = probe(clusters(0), train, ProbeSettings(neighbours=5))
    assert found["knn"] == 1.0
    assert found["linear_probe"] > 0.9


@pytest.mark.parametrize("train", [None, noise(1)])
def test_probes_find_nothing_in_noise(train: Embedded | None) -> None:
    assert all(value < 0.45 for value in probe(noise(0), train, ProbeSettings()).values())


def test_probes_can_be_left_out() -> None:
    assert probe(clusters(0), None, ProbeSettings(enabled=False)) == {}
    assert set(probe(clusters(0), None, ProbeSettings(linear=False))) == {"knn"}


@given(st.integers(0, 2**31), st.integers(2, 20))
def test_one_neighbour_is_the_nearest_other_example_by_cosine(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    dev = Embedded(generator.standard_normal((count, 4)).astype(np.float32), generator.integers(0, 3, count))
    distances = cosine_distances(dev.embeddings) + 10 * np.eye(count)
    assert knn_predictions(dev, neighbours=1).tolist() == dev.labels[distances.argmin(axis=1)].tolist()


def test_neighbours_do_not_depend_on_the_scale() -> None:
    dev, train = clusters(0), clusters(1)
    scaled = Embedded(train.embeddings * np.linspace(1, 9, 30, dtype=np.float32)[:, None], train.labels)
    assert knn_predictions(dev, scaled, 3).tolist() == dev.labels.tolist()


def test_more_neighbours_than_there_are_is_all_of_them() -> None:
    assert len(knn_predictions(clusters(0), clusters(1, count=4), neighbours=50)) == 30


def test_a_linear_probe_lives_with_labels_that_occur_once_or_that_dev_alone_has() -> None:
    dev = clusters(0)
    rare = Embedded(dev.embeddings, np.array([7, *dev.labels[1:]]))
    assert len(linear_predictions(rare)) == 30
    assert (linear_predictions(rare, clusters(1)) != 7).all()


def test_what_can_not_be_judged_is_told() -> None:
    one = Embedded(np.ones((1, 4), np.float32), np.zeros(1, np.int64))
    with pytest.raises(ProbeError, match="no neighbours"):
        knn_predictions(one)
    with pytest.raises(ProbeError, match="two labels"):
        linear_predictions(one)
    with pytest.raises(ProbeError, match="no pairs"):
        pair_distances(one)
    with pytest.raises(ProbeError, match="lower the rate"):
        Embedded(np.full((2, 2), np.nan, np.float32), np.zeros(2, np.int64))


def test_collapsed_embeddings_are_judged_as_guesses() -> None:
    collapsed = Embedded(np.ones((30, 4), np.float32), np.arange(30) % 3)
    assert all(value <= 0.4 for value in probe(collapsed, collapsed, ProbeSettings()).values())


def test_pair_distances_are_means_over_all_pairs() -> None:
    angles = np.deg2rad([0.0, 60.0, 180.0])
    embeddings = (3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32)
    found = pair_distances(Embedded(embeddings, np.array([0, 0, 1])))
    assert found.positive == pytest.approx(1.0, abs=1e-6)
    assert found.negative == pytest.approx((2 + 3**0.5) / 2, abs=1e-6)
    assert found.order == 1.0


def test_the_order_of_distances_is_a_coin_flip_in_noise_and_below_it_upside_down() -> None:
    assert pair_distances(noise(0)).order == pytest.approx(0.5, abs=0.02)
    upside_down = Embedded(np.array([[1, 0], [-1, 0], [1, 0.1], [-1, 0.1]], np.float32), np.array([0, 0, 1, 1]))
    assert pair_distances(upside_down).order < 0.5


@given(st.integers(0, 200), st.integers(0, 300), st.integers(0, 9))
def test_a_subsample_is_the_same_for_the_same_seed(count: int, most: int, seed: int) -> None:
    rows = subsample(count, most, seed)
    assert rows.tolist() == sorted(set(rows.tolist())) == subsample(count, most, seed).tolist()
    assert len(rows) == min(count, most)
