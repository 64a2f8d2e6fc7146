import numpy as np
import pytest

from models.labels import LABELS
from models.networks.calibration import fit_temperature
from trainer.evaluation.report import RowName
from trainer.evaluation.scores import Scores, score
from trainer.starter.voice_rows import AUDIO, LEFT_OUT, other_speakers_temperatures, voice_demands

NEUTRAL, AFTER = "after 8 neutral utterances", "after 8 utterances"


def scored(right: int) -> Scores:
    """Ten clips of one emotion, of which so many are found."""
    predicted = np.array([0] * right + [1] * (10 - right))
    return score(np.zeros(10, np.int64), np.eye(len(LABELS), dtype=np.float32)[predicted], LABELS)


def row(network: str, view: str, right: int) -> tuple[RowName, Scores]:
    return RowName(network=network, modalities="audio", view=view), scored(right)


def test_a_clips_temperature_is_fitted_on_other_speakers_alone() -> None:
    generator = np.random.default_rng(0)
    labels, people = generator.integers(0, 7, 400), np.arange(400) % 10
    logits = (np.eye(7)[labels] + generator.standard_normal((400, 7))).astype(np.float32) * 4
    logits[people == 3] *= 100
    found = other_speakers_temperatures(logits, labels, people)
    inside = people % 5 == 3
    assert found[inside] == pytest.approx(fit_temperature(logits[~inside], labels[~inside]))
    assert found[inside].max() < found[~inside].min(), "one who is too loud of it is told by the others"


def test_one_speaker_has_nobody_else_to_be_told_by() -> None:
    labels = np.array([0, 1, 1])
    logits = np.eye(7, dtype=np.float32)[[0, 1, 0]]
    found = other_speakers_temperatures(logits, labels, np.zeros(3, np.int64))
    assert found == pytest.approx(np.full(3, fit_temperature(logits, labels)))


def test_what_voices_must_reach_is_the_mean_over_the_corpora() -> None:
    rows = [
        row(AUDIO, "", 1),
        row(f"{AUDIO}, one", "", 9),
        row(f"{AUDIO}, two", "", 7),
        row(f"{AUDIO}, one", NEUTRAL, 8),
        row(f"{AUDIO}, two", NEUTRAL, 9),
        row(f"{LEFT_OUT} one", "", 4),
        row(f"{LEFT_OUT} one", AFTER, 7),
    ]
    found = {demand: (value, bound) for demand, value, bound in voice_demands(rows)}
    assert found == {
        "voices of held-out speakers, no history: mean UA over the corpora": pytest.approx((0.8, 0.74)),
        "voices of held-out speakers, after 8 neutral utterances: not below that without a history": pytest.approx(
            (0.85, 0.8)
        ),
        "voices of whole corpora never heard, no history: mean UA over the corpora": pytest.approx((0.4, 0.52)),
        "voices of whole corpora never heard, after 8 utterances: mean UA over the corpora": pytest.approx((0.7, 0.6)),
    }
