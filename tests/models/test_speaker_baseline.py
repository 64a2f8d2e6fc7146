import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speaker_baseline import BaselineReference, SpeakerBaseline

CLASSES, DIM = 3, 8
GENERATOR = np.random.default_rng(0)
DEVIATIONS = GENERATOR.standard_normal((CLASSES, DIM)).astype(np.float32)
WEIGHTS = GENERATOR.uniform(0.5, 20, DIM).astype(np.float32)
REFERENCE = BaselineReference(DEVIATIONS, WEIGHTS)
OWN = GENERATOR.standard_normal(DIM)
moods = st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=30)


def said(moods: list[int], own: np.ndarray = OWN) -> SpeakerBaseline:
    """What is kept of a speaker whose emotions are all recognised."""
    baseline = SpeakerBaseline.unheard(REFERENCE)
    for mood in moods:
        baseline = baseline.update(own + DEVIATIONS[mood], np.eye(CLASSES)[mood])
    return baseline


def test_nobodys_first_utterance_is_told_against_anything() -> None:
    assert not SpeakerBaseline.unheard(REFERENCE).offset(REFERENCE).any()
    assert SpeakerBaseline.unheard(REFERENCE).count == 0


@given(moods)
def test_the_mood_of_a_history_is_not_taken_for_the_person(history: list[int]) -> None:
    found = said(history)
    assert found.offset(REFERENCE) == pytest.approx(OWN * len(history) / (len(history) + WEIGHTS), abs=1e-5)
    assert found.count == len(history)


@given(st.permutations([0, 0, 1, 2, 2]))
def test_the_order_of_what_was_said_does_not_matter(history: list[int]) -> None:
    assert said(history).offset(REFERENCE) == pytest.approx(said([0, 0, 1, 2, 2]).offset(REFERENCE), abs=1e-6)


@given(moods)
def test_a_speaker_like_all_others_has_no_offset(history: list[int]) -> None:
    assert said(history, own=np.zeros(DIM)).offset(REFERENCE) == pytest.approx(np.zeros(DIM), abs=1e-5)


def test_many_speakers_at_once_are_each_told_as_alone() -> None:
    others = [OWN, -OWN]
    together = SpeakerBaseline(
        np.stack([said([1, 2], own).statistics for own in others]),
        np.stack([said([1, 2], own).probabilities for own in others]),
        np.full((2, 1), 2),
    )
    alone = np.stack([said([1, 2], own).offset(REFERENCE) for own in others])
    assert together.offset(REFERENCE) == pytest.approx(alone, abs=1e-6)


def test_what_would_spoil_a_baseline_for_good_is_refused() -> None:
    baseline = said([0])
    with pytest.raises(ValueError, match="statistics of an utterance"):
        baseline.update(np.full(DIM, np.nan), np.eye(CLASSES)[0])
    with pytest.raises(ValueError, match="probabilities of an utterance"):
        baseline.update(OWN, np.ones(CLASSES + 1))
