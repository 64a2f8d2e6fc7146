import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.networks.losses import FACENET_MARGIN, Mining, mine_triplets
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.mining import (
    MiningError,
    balanced_batches,
    mining_sample,
    offline_triplets,
    squared_distances,
)

seeds = st.integers(0, 2**31)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Floats, Ints]:
    count, dim = draw(st.integers(0, 24)), draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(seeds))
    embeddings = (draw(st.sampled_from([0.01, 1.0, 50.0])) * generator.standard_normal((count, dim))).astype(np.float32)
    return embeddings, generator.integers(0, draw(st.integers(1, 5)), count)


@given(samples(), seeds, st.sampled_from([0.05, FACENET_MARGIN, 1.0]))
def test_every_offline_triplet_is_valid_and_semi_hard(sample: tuple[Floats, Ints], seed: int, margin: float) -> None:
    embeddings, labels = sample
    anchor, positive, negative = offline_triplets(embeddings, labels, np.random.default_rng(seed), margin).T
    distances = squared_distances(embeddings)
    assert (anchor != positive).all()
    assert (labels[anchor] == labels[positive]).all()
    assert (labels[anchor] != labels[negative]).all()
    gap = distances[anchor, negative] - distances[anchor, positive]
    assert (gap > -1e-9).all()
    assert (gap < margin + 1e-9).all()


@given(samples(), st.sampled_from(["all", "semi-hard", "hard"]))
def test_every_triplet_mined_in_a_batch_is_valid(sample: tuple[Floats, Ints], mining: Mining) -> None:
    embeddings, labels = sample
    mined = mine_triplets(torch.from_numpy(embeddings), torch.from_numpy(labels), mining)
    anchor, positive, negative = (rows.numpy() for rows in mined)
    assert (anchor != positive).all()
    assert (labels[anchor] == labels[positive]).all()
    assert (labels[anchor] != labels[negative]).all()
    if mining == "semi-hard":
        distances = squared_distances(embeddings)
        gap = distances[anchor, negative] - distances[anchor, positive]
        assert ((gap > -1e-4) & (gap < FACENET_MARGIN + 1e-4)).all()


@given(samples(), seeds)
def test_each_pair_with_a_semi_hard_negative_gives_one_triplet(sample: tuple[Floats, Ints], seed: int) -> None:
    embeddings, labels = sample
    mined = offline_triplets(embeddings, labels, np.random.default_rng(seed))
    d = squared_distances(embeddings)
    gap = d[:, None, :] - d[:, :, None]
    same = labels[:, None] == labels[None, :]
    clear = (gap > 1e-6) & (gap < FACENET_MARGIN - 1e-6) & ~same[:, None, :]
    pairs = clear.any(axis=2) & same & ~np.eye(len(labels), dtype=bool)
    found = [(int(a), int(p)) for a, p, _ in mined]
    assert len(found) == len(set(found))
    assert set(zip(*(part.tolist() for part in pairs.nonzero()), strict=True)) <= set(found)


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_without_a_pair_or_a_negative_there_are_no_offline_triplets(labels: list[int]) -> None:
    embeddings = np.random.default_rng(0).standard_normal((len(labels), 4)).astype(np.float32)
    mined = offline_triplets(embeddings, np.array(labels, np.int64), np.random.default_rng(0))
    assert mined.shape == (0, 3)


def test_collapsed_embeddings_have_no_offline_triplets() -> None:
    collapsed = np.ones((6, 4), np.float32)
    assert len(offline_triplets(collapsed, np.array([0, 0, 0, 1, 1, 1]), np.random.default_rng(0))) == 0


def test_negatives_are_drawn_from_the_whole_semi_hard_stretch() -> None:
    angles = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 2.0])  # positives at 0 and 0.1; the last negative is far beyond
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 1, 1])
    generator = np.random.default_rng(0)
    drawn = np.concatenate([offline_triplets(embeddings, labels, generator) for _ in range(40)])
    of_first = drawn[(drawn[:, 0] == 0) & (drawn[:, 1] == 1)]
    assert set(of_first[:, 2].tolist()) == {2, 3, 4}


@given(st.integers(2, 12), st.integers(1, 5), st.integers(2, 6), st.integers(0, 4), seeds)
def test_balanced_batches_hold_k_of_each_of_p_labels(
    labels: int, per_batch: int, examples: int, batches: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(labels), generator.integers(2, 9, labels))
    per_batch = min(per_batch, labels)
    rows = balanced_batches(truth, per_batch, examples, batches, generator)
    assert rows.shape == (batches, per_batch * examples)
    for batch in rows:
        found, counts = np.unique(truth[batch], return_counts=True)
        assert len(found) == per_batch
        assert set(counts.tolist()) == {examples}
        for label in found:
            have = int((truth == label).sum())
            assert len(set(batch[truth[batch] == label].tolist())) == min(have, examples)


def test_a_label_with_one_example_is_never_drawn() -> None:
    rows = balanced_batches(np.array([0, 0, 1, 2, 2]), 2, 2, 20, np.random.default_rng(0))
    assert 2 not in rows


def test_too_few_labels_or_examples_are_told() -> None:
    labels = np.array([0, 0, 1])
    with pytest.raises(MiningError, match="labels_per_batch=2 is more than the 1 with two examples: lower it"):
        balanced_batches(labels, 2, 2, 1, np.random.default_rng(0))
    with pytest.raises(MiningError, match="gives no pair"):
        balanced_batches(labels, 1, 1, 1, np.random.default_rng(0))


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(2, 60), seeds)
def test_a_mining_sample_has_pairs_and_keeps_to_its_size(labels: list[int], size: int, seed: int) -> None:
    truth = np.array(labels, np.int64)
    rows = mining_sample(truth, size, np.random.default_rng(seed))
    assert len(rows) == len(set(rows.tolist())) <= size
    _, counts = np.unique(truth[rows], return_counts=True)
    assert (counts >= 2).all()
    assert len(rows) > 0 or len(truth) == len(set(labels))
