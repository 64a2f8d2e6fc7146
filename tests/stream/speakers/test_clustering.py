"""Clusters are who is alike, whatever their order, with nobody made of a scrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voices_of import embeddings

from stream.speakers.clustering import ClusteringRules, clustered, in_order_of_first

RULES = ClusteringRules(alike=0.5, alike_narrow=0.5, evidence=1.5, most=8)
WHOSE = st.lists(st.integers(0, 4), min_size=1, max_size=30)


def cluster(whose: list[int], rules: ClusteringRules = RULES, *, apart: int = 0) -> list[int]:
    vectors = embeddings(whose)
    return clustered(vectors, np.ones(len(vectors)), rules, apart).tolist()


@given(WHOSE)
def test_those_who_are_alike_are_one_in_the_order_of_their_first(whose: list[int]) -> None:
    found = cluster(whose, ClusteringRules(0.5, 0.5, 0.0, 8))
    assert found == in_order_of_first(np.array(whose)).tolist()


@given(WHOSE, st.randoms(use_true_random=False))
def test_the_order_of_what_is_heard_makes_no_difference(whose: list[int], shuffled: np.random.Generator) -> None:
    vectors, order = embeddings(whose), list(range(len(whose)))
    shuffled.shuffle(order)
    ones = np.ones(len(whose))
    rules = ClusteringRules(0.5, 0.5, 0.0, 8)
    first, again = clustered(vectors, ones, rules), clustered(vectors[order], ones, rules)
    same = first[order][:, None] == first[order][None]
    assert (same == (again[:, None] == again[None])).all()


def test_a_scrap_is_nobody_of_its_own() -> None:
    assert cluster([0, 0, 0, 1, 2, 2, 2]) in ([0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1])


def test_a_scrap_alone_is_somebody() -> None:
    assert cluster([3]) == [0]


@given(WHOSE, st.integers(1, 3))
def test_there_are_never_more_than_allowed(whose: list[int], most: int) -> None:
    assert max(cluster(whose, ClusteringRules(0.5, 0.5, 0.0, most))) < most


@pytest.mark.parametrize("rules", [RULES, ClusteringRules(-1.0, -1.0, 9.0, 1)])
def test_those_who_are_known_stay_apart_however_alike_they_are(rules: ClusteringRules) -> None:
    assert cluster([0, 0, 0, 0, 0], rules, apart=2)[:2] == [0, 1]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20))
def test_what_was_put_together_before_counts_as_its_members_do(whose: list[int]) -> None:
    vectors = embeddings(whose)
    first = [place for place, who in enumerate(whose) if who == whose[0]]
    rest = [place for place in range(len(whose)) if place not in first]
    sums = np.stack([vectors[first].sum(axis=0), *vectors[rest]])
    together = clustered(sums, np.array([len(first), *[1.0] * len(rest)]), ClusteringRules(0.5, 0.5, 0.0, 8))
    alone = clustered(vectors, np.ones(len(whose)), ClusteringRules(0.5, 0.5, 0.0, 8))
    assert together.max() == alone.max()


def test_a_scrap_is_given_to_a_known_person_only_if_it_is_alike() -> None:
    assert cluster([0, 0, 0], ClusteringRules(0.5, 0.5, 9.0, 8), apart=1) == [0, 0, 0]
    assert cluster([0, 1, 1], ClusteringRules(0.5, 0.5, 9.0, 8), apart=1) == [0, 1, 1]


def test_voices_of_a_telephone_must_be_more_alike_and_only_among_each_other() -> None:
    vectors, ones = embeddings([0] * 6, noise=0.2), np.ones(6)
    rules = ClusteringRules(alike=0.3, alike_narrow=0.9, evidence=0.0, most=8)
    assert len(set(clustered(vectors, ones, rules).tolist())) == 1
    assert len(set(clustered(vectors, ones, rules, narrow=ones).tolist())) > 1
    half = np.array([1.0, 0, 0, 0, 0, 0])
    assert len(set(clustered(vectors, ones, rules, narrow=half).tolist())) == 1
