from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from trainer.fit.loop import FitSettings, fit
from trainer.stages.audio import AudioSettings, Sounds
from trainer.stages.hearing import encoded, moments, statistics
from trainer.stages.histories import HistorySettings
from trainer.stages.probes import ProbeSettings
from trainer.stages.whisper import WHISPER_INPUT, WhisperStage

LOW, HIGH = 0, 4
KEPT = 8


def sounds(seed: int, count: int = 12) -> Sounds:
    """Low and high tones in noise: two labels that any ear can tell apart."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2 * (HIGH - LOW) + LOW
    time = np.arange(16_000) / 16_000
    made = [np.sin(2 * np.pi * (200 if label == LOW else 1500) * time) for label in labels]
    samples = [(0.2 * tone + 0.01 * generator.standard_normal(16_000)).astype(np.float32) for tone in made]
    return Sounds.of(samples, labels, ["tones"] * count, speakers=[f"{row // 3}" for row in range(count)])


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return SpeechEncoder(SpeechEncoderConfig(width=16, layers=1, heads=2)).eval().requires_grad_(False)


def stage(encoder: SpeechEncoder, cache: Path) -> WhisperStage:
    """A stage on four speakers of two emotions each."""
    settings = AudioSettings(
        fit=FitSettings(epochs=30, select="macro_f1", ema_decay=0.5, bf16=False),
        views=2,
        batch=6,
        rate=1e-2,
        dropout=0.1,
        metric_weight=0.0,
        balance=0.7,
        probe=ProbeSettings(enabled=False),
        histories=HistorySettings(kept=KEPT),
    )
    train, dev = encoded(encoder, sounds(0), 2, 0, cache), encoded(encoder, sounds(1), 1, 0, cache)
    return WhisperStage(train, dev, settings, encoder)


def test_it_learns_what_tells_two_voices_apart(encoder: SpeechEncoder, tmp_path: Path) -> None:
    trained = stage(encoder, tmp_path)
    fit(trained, trained.settings.fit, tmp_path / "run")
    logits = trained.dev_output(trained.model).logits[:, [LOW, HIGH]]  # of other labels it has learned nothing
    assert (np.array([LOW, HIGH])[logits.argmax(axis=1)] == trained.dev.labels).all()


def test_it_is_judged_without_a_history_and_with_two_kinds_of_it(encoder: SpeechEncoder, tmp_path: Path) -> None:
    trained = stage(encoder, tmp_path)
    found = trained.evaluate(trained.model)
    names = ["mean_unweighted_accuracy", "mean_unweighted_accuracy_after_8", "mean_unweighted_accuracy_after_8_neutral"]
    assert found["score"] == pytest.approx(np.mean([found[name] for name in names]))


def test_what_it_learns_from_is_a_clip_its_speakers_offset_and_how_much_that_rests_on(
    encoder: SpeechEncoder, tmp_path: Path
) -> None:
    trained = stage(encoder, tmp_path)
    images = trained.images(np.arange(12), 0, np.random.default_rng(0))
    own, offset, count = torch.split(images, [KEPT, KEPT, 1], dim=1)
    assert set(count.flatten().tolist()) <= {0.0, 1.0, 2.0}, "three clips a speaker"
    assert (offset[count[:, 0] == 0] == 0).all()
    assert offset[count[:, 0] > 0].abs().sum(dim=1).min() > 0
    trained.model.eval()
    embedding, learned = trained.answer(images)
    usual, logits = trained.voice.usual(embedding), trained.voice(own, offset, count)[1]
    torch.testing.assert_close(logits, usual + trained.kinds.share * learned)


def test_what_was_heard_is_kept_and_never_taken_for_other_sounds(encoder: SpeechEncoder, tmp_path: Path) -> None:
    first = statistics(encoder, sounds(0), 1, 0, tmp_path)
    assert first.shape == (12, 1, encoder.dim)
    (kept,) = tmp_path.rglob("*.safetensors")
    before = kept.stat().st_mtime_ns
    more = statistics(encoder, sounds(0), 2, 0, tmp_path)
    assert (more[:, :1] == first).all()
    assert kept.stat().st_mtime_ns == before, "one view more is all that is made"
    assert (statistics(encoder, sounds(0), 2, 0, tmp_path) == more).all()
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    statistics(encoder, sounds(2), 1, 0, tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3


def test_a_clip_as_it_is_tells_the_same_however_many_are_heard(encoder: SpeechEncoder, tmp_path: Path) -> None:
    whole = sounds(0)
    alone = whole.only(np.array([0]))
    together, single = (statistics(encoder, some, 1, 0, tmp_path)[0, 0].float() for some in (whole, alone))
    torch.testing.assert_close(single, together, rtol=0.05, atol=0.05)


def test_views_are_heard_differently_and_are_whole_numbers(encoder: SpeechEncoder, tmp_path: Path) -> None:
    short = Sounds.of([samples[:8000] for samples in sounds(0).samples], sounds(0).labels)
    heard = statistics(encoder, short, 3, 0, tmp_path).float()
    assert torch.isfinite(heard).all()
    assert not torch.allclose(heard[:, 1], heard[:, 2], atol=0.05)


def test_the_first_view_is_what_the_live_pipeline_hears(encoder: SpeechEncoder, tmp_path: Path) -> None:
    some = sounds(0, count=2)
    heard = statistics(encoder, some, 2, 0, tmp_path)
    live = encoder(torch.from_numpy(WHISPER_INPUT(some.samples)))
    torch.testing.assert_close(heard[:, 0].float(), live, rtol=0.05, atol=0.05)


def test_the_moments_weigh_each_clip_as_it_is_drawn() -> None:
    mean, variance = moments(torch.tensor([[1.0], [10.0]]), np.array([3.0, 1.0]))
    repeated = torch.tensor([1.0, 1.0, 1.0, 10.0])
    assert float(mean) == pytest.approx(float(repeated.mean()))
    assert float(variance) == pytest.approx(float(repeated.var(correction=0)))
