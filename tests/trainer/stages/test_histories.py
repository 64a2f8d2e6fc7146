import numpy as np
import pytest
import torch

from models.labels import LABELS
from models.networks.speech_encoder import VoiceHead
from models.speaker_baseline import SpeakerBaseline
from trainer.stages.histories import Histories, HistorySettings, baselines, logits_after, voice_logits

DIM = 6
PEOPLE = np.array([7, 3, 7, 3, 7, 3, 7, 9])
EMOTIONS = np.array([0, 0, 1, 1, 0, 4, 1, 2])


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def head() -> VoiceHead:
    torch.manual_seed(0)
    made = VoiceHead(DIM, len(LABELS), dim=20, baseline=DIM).eval().requires_grad_(False)
    assert made.baseline is not None
    made.baseline.load(torch.eye(DIM), torch.randn(len(LABELS), DIM), torch.rand(DIM) * 5 + 0.5)
    return made


def statistics() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((len(PEOPLE), DIM)).astype(np.float32)


def test_a_history_is_of_the_same_speaker_and_never_of_the_clip_itself() -> None:
    for row, history in enumerate(Histories(PEOPLE, EMOTIONS, LABELS).before_each(8, "any", seed=0)):
        others = np.flatnonzero(PEOPLE[row] == PEOPLE)
        assert sorted(history.tolist()) == [other for other in others if other != row]


def test_a_history_of_one_kind_has_that_kind_alone() -> None:
    histories = Histories(PEOPLE, EMOTIONS, LABELS)
    assert sorted(histories.before(0, 8, "neutral", generator()).tolist()) == [4]
    assert not len(histories.before(7, 8, "neutral", generator()))
    for _ in range(5):
        alike = histories.before(0, 8, "alike", generator())
        assert len(set(EMOTIONS[alike].tolist())) == 1


def test_without_a_neutral_label_there_are_no_neutral_histories() -> None:
    histories = Histories(PEOPLE, EMOTIONS, ("happy", "sad", "excited", "fear", "angry"))
    assert not any(map(len, histories.before_each(8, "neutral", seed=0)))


def test_histories_are_as_long_and_of_what_the_settings_say() -> None:
    settings = HistorySettings(longest=4, none=0.5, neutral=0.3, alike=0.1)
    counts, kinds = zip(*(settings.draw(np.random.default_rng(seed)) for seed in range(2000)), strict=True)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert counts.count(0) / 2000 == pytest.approx(0.5, abs=0.05)
    assert kinds.count("neutral") / 2000 == pytest.approx(0.3, abs=0.05)
    assert kinds.count("alike") / 2000 == pytest.approx(0.1, abs=0.05)


def test_training_and_a_session_make_the_same_baseline(head: VoiceHead) -> None:
    assert head.baseline is not None
    reference, heard = head.baseline.reference(), statistics()
    said = np.eye(len(LABELS), dtype=np.float32)[EMOTIONS]
    offsets, counts = baselines([np.array([2, 4, 6]), np.array([], int)], heard, said, reference)
    session = SpeakerBaseline.unheard(reference)
    for row in (2, 4, 6):
        session = session.update(heard[row], said[row])
    assert offsets[0] == pytest.approx(session.offset(reference), abs=1e-6)
    assert counts.tolist() == [[3.0], [0.0]]
    assert not offsets[1].any()


def test_after_a_history_a_branch_says_what_a_session_would_hear(head: VoiceHead) -> None:
    """One speaker's utterances, one after the other, each told against what came before it."""
    assert head.baseline is not None
    reference, heard = head.baseline.reference(), statistics()
    session = SpeakerBaseline.unheard(reference)
    for row in (4, 0, 6, 2):
        count = np.array([[session.count]], np.float32)
        logits = voice_logits(head, heard[row : row + 1], session.offset(reference)[None], count)[0]
        powers = np.exp(logits / 2 - np.max(logits / 2))
        session = session.update(heard[row], powers / powers.sum())
    histories = [np.array([], int)] * len(PEOPLE)
    histories[2] = np.array([4, 0, 6])
    found = logits_after(head, heard, histories, temperature=2.0)
    assert found[2] == pytest.approx(logits, abs=1e-5)
    assert found[1] == pytest.approx(head(torch.from_numpy(heard))[1][1].numpy(), abs=1e-6)
