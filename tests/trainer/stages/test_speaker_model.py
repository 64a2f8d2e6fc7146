import numpy as np
import pytest
import torch

from trainer.stages.speaker_model import SpeakerModel, VoiceStatistics, speaker_model

DIM, CLASSES, PEOPLE, CLIPS = 8, 3, 80, 8
SPREAD = np.array([3.0, 2.0, 1.0, 0.5, 0.1, 0.1, 0.1, 0.1])


@pytest.fixture(scope="module")
def effects() -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((CLASSES, DIM))
    return found - found.mean(axis=0)


@pytest.fixture(scope="module")
def voices(effects: np.ndarray) -> VoiceStatistics:
    """Speakers who differ much in some directions, and of whom some are mostly in one mood."""
    random = np.random.default_rng(1)
    people = np.repeat(np.arange(PEOPLE), CLIPS)
    moods = ([0, 0, 0, 0, 0, 1, 2, 0], [0, 1, 1, 1, 2, 2, 1, 2])
    labels = np.concatenate([random.permutation(moods[one % 2]) for one in range(PEOPLE)])
    own = SPREAD * random.standard_normal((PEOPLE, DIM))
    heard = effects[labels] + own[people] + random.standard_normal((len(people), DIM))
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    weights = np.full(len(people), 1 / len(people))
    return VoiceStatistics(torch.from_numpy(heard).float(), targets, weights, people, ["corpus"] * len(people))


@pytest.fixture(scope="module")
def model(voices: VoiceStatistics) -> SpeakerModel:
    return speaker_model(voices, kept=DIM, seed=0)


def test_what_an_emotion_adds_is_told_apart_from_who_speaks(
    model: SpeakerModel, voices: VoiceStatistics, effects: np.ndarray
) -> None:
    found = model.deviations @ torch.linalg.inv(model.rotation.T)
    labels = voices.targets.argmax(axis=1)
    naive = np.stack([voices.statistics[labels == label].mean(dim=0).numpy() for label in range(CLASSES)])
    naive -= naive.mean(axis=0)
    assert np.abs(found.numpy() - effects).max() < 0.35
    assert np.abs(found.numpy() - effects).max() < np.abs(naive - effects).max()
    assert model.deviations.mean(dim=0).numpy() == pytest.approx(np.zeros(DIM), abs=1e-4)


def test_where_speakers_differ_much_little_of_the_mean_of_all_is_kept(model: SpeakerModel) -> None:
    """The weight is how often the variance within speakers is that between them."""
    weights = sorted(model.weights.tolist())
    assert weights[0] == pytest.approx(1 / 9, rel=0.6)
    assert weights[1] == pytest.approx(1 / 4, rel=0.6)
    assert weights[-1] > 10


def test_within_a_speaker_what_is_kept_varies_alike_and_independently(
    model: SpeakerModel, voices: VoiceStatistics
) -> None:
    rotated = voices.statistics @ model.rotation.T - torch.from_numpy(voices.targets) @ model.deviations
    people = torch.from_numpy(voices.people)
    means = torch.stack([rotated[people == one].mean(dim=0) for one in range(PEOPLE)])
    covariance = (rotated - means[people]).T.cov().numpy()
    assert np.diag(covariance) == pytest.approx(np.ones(DIM), abs=0.45)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.3


def test_directions_that_there_are_not_say_nothing(model: SpeakerModel, voices: VoiceStatistics) -> None:
    more = speaker_model(voices, kept=DIM + 4, seed=0)
    assert more.weights[:DIM] == pytest.approx(model.weights, rel=1e-3)
    assert not more.rotation[DIM:].any()
    assert not more.deviations[:, DIM:].any()
    assert torch.isfinite(more.weights).all()


def test_an_emotion_that_nobody_has_and_fewer_directions_than_asked_for_give_a_finite_model(
    voices: VoiceStatistics,
) -> None:
    targets = np.eye(7, dtype=np.float32)[voices.targets.argmax(axis=1)]
    some = VoiceStatistics(voices.statistics, targets, voices.weights, voices.people, voices.corpora)
    found = speaker_model(some, kept=5, seed=0)
    assert found.rotation.shape == (5, DIM)
    assert found.deviations.shape == (7, 5)
    for part in (found.rotation, found.deviations, found.weights):
        assert torch.isfinite(part).all()
