from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.media.sound import Samples
from models.networks.losses import masked_cross_entropy
from trainer.data.conversation import DatasetError
from trainer.data.speech import SpeechClip
from trainer.fit.loop import FitSettings, fit
from trainer.stages import audio as speech_emotion
from trainer.stages.audio import (
    AudioBackbone,
    AudioSettings,
    AudioStage,
    Sounds,
    corpus_masks,
    cut_to_int16,
    sampling_weights,
    sound_outputs,
    trim,
)
from trainer.stages.augmentation import augment_image
from trainer.stages.probes import ProbeSettings

FIT = FitSettings(epochs=1, select="knn", ema_decay=0.0, bf16=False)
TINY = AudioSettings(
    fit=FIT, batch=6, crop_seconds=0.7, mining_sample=12, probe=ProbeSettings(examples=8, neighbours=3)
)


def tones(count: int, seed: int = 0, classes: Sequence[str] = ("low", "middle", "high")) -> Sounds:
    """Return tones of a pitch of their label's, of different lengths."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    samples = [tone(300 * 4**label, generator) for label in labels]
    return Sounds.of(samples, labels, ["a", "b"] * (count // 2), classes)


def tone(pitch: float, generator: np.random.Generator) -> Samples:
    time = np.arange(generator.integers(8_000, 16_000)) / 16_000
    return (np.sin(2 * np.pi * pitch * time) + 0.05 * generator.standard_normal(len(time))).astype(np.float32)


def stage(settings: AudioSettings = TINY, backbone: AudioBackbone | None = None) -> AudioStage:
    return AudioStage(tones(18), tones(8, seed=1), settings, backbone)


def sounds(cells: Sequence[tuple[str, int]]) -> Sounds:
    samples = [np.zeros(160, np.float32)] * len(cells)
    return Sounds.of(samples, [label for _, label in cells], [corpus for corpus, _ in cells])


def test_a_corpus_without_an_emotion_teaches_nothing_about_it() -> None:
    """No gradient reaches the logits of labels that the clip's corpus lacks."""
    masks = corpus_masks(sounds([("two", 3), ("two", 4), ("all", 0), ("all", 3), ("all", 4)]))
    logits = torch.zeros(1, 7, requires_grad=True)
    loss = masked_cross_entropy(logits, torch.eye(7)[[3]], masks["two"][None], smoothing=0.1)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.nonzero()[:, 1].tolist() == [3, 4]
    assert loss.item() == pytest.approx(np.log(2))


def test_balancing_weighs_corpus_and_label_together() -> None:
    mixed = sounds([("big", 0)] * 90 + [("small", 0)] * 9 + [("small", 1)])
    equal = sampling_weights(mixed, balance=1.0)
    assert equal[:90].sum() == pytest.approx(1 / 3)
    assert equal[-1] == pytest.approx(1 / 3)
    assert sampling_weights(mixed, balance=0.0) == pytest.approx(np.full(100, 0.01))


def test_trimming_takes_the_silence_off_both_ends_and_nothing_else() -> None:
    speech = np.sin(np.arange(16_000) / 5).astype(np.float32)
    silence = np.zeros(16_000, np.float32)
    trimmed = trim(np.concatenate([silence, speech, silence]))
    assert 16_000 <= len(trimmed) <= 16_000 + 2 * 1_600
    assert len(trim(silence)) == 16_000


def test_batches_are_crops_with_the_masks_of_their_corpora() -> None:
    made = stage(replace(TINY, augmentation="paper"))
    batches = list(made.batches(0, np.random.default_rng(0)))
    assert len(batches) == made.steps() == 3
    images, mask = batches[0].images, batches[0].mask
    assert images.shape[:3] == (6, 3, 128)
    assert mask.shape == (6, 3)
    assert (mask.gather(1, batches[0].labels[:, None]) == 0).all()


def test_the_paper_s_augmentation_only_warps_time() -> None:
    flat = torch.arange(128.0)[:, None].expand(2, 3, 128, 40)
    warped = augment_image(flat, np.random.default_rng(0), False)
    assert torch.equal(warped, torch.arange(128.0)[:, None].expand(2, 3, 128, warped.shape[-1]))
    assert (augment_image(flat, np.random.default_rng(0)) == 0).sum() > (warped == 0).sum()


@pytest.mark.parametrize("mining", ["semi-hard", "offline"])
@pytest.mark.parametrize("classification", [0.0, 1.0])
def test_losses_are_finite(mining: str, classification: float) -> None:
    settings = AudioSettings(**{**vars(TINY), "mining": mining, "classification_weight": classification})
    made = stage(settings)
    assert made.loss(next(made.batches(0, np.random.default_rng(0)))).isfinite()


def test_clips_of_two_corpora_can_be_mixed_each_within_its_own_labels() -> None:
    made = stage(replace(TINY, mixup=1.0, mixed=1.0))
    assert made.loss(next(made.batches(0, np.random.default_rng(0)))) < 100, "no label is one its corpus lacks"


def test_dev_is_judged_by_corpus_and_by_the_probes() -> None:
    made = stage()
    metrics = made.evaluate(made.model)
    assert set(metrics) == {"mean_unweighted_accuracy", "macro_f1", "a", "b", "knn", "linear_probe"}
    assert metrics["mean_unweighted_accuracy"] == pytest.approx((metrics["a"] + metrics["b"]) / 2)


@pytest.mark.slow
def test_training_by_the_metric_losses_alone_separates_the_labels(tmp_path: Path) -> None:
    settings = replace(TINY, fit=replace(FIT, epochs=10), classification_weight=0.0, metric_weight=1.0)
    assert fit(stage(settings), settings.fit, tmp_path)["knn"] > 0.8


class Loudness(nn.Module):
    """Hears how loud a sound is, and how long."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(2, classes)

    def forward(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        return heard, self.head(heard)


def loudness(sounds: Sequence[Samples]) -> np.ndarray:
    return np.array([[np.abs(sound).mean(), len(sound)] for sound in sounds], np.float32)


def test_another_network_can_be_trained_on_another_input() -> None:
    backbone = AudioBackbone(lambda classes, *_: Loudness(classes), loudness, lambda heard, _, __: heard)
    made = stage(backbone=backbone)
    assert made.loss(next(made.batches(0, np.random.default_rng(0)))).isfinite()
    assert "mean_unweighted_accuracy" in made.evaluate(made.model)
    assert sound_outputs(made.model, [np.ones(3, np.float32)], backbone.input).embeddings.tolist() == [[1.0, 3.0]]


def test_utterances_of_conversations_are_sounds_of_one_corpus() -> None:
    made = Sounds.of([np.zeros(3, np.float32)] * 2, [0, 1], classes=("calm", "cross"))
    assert made.corpora == ["speech", "speech"]
    assert made.classes == ("calm", "cross")
    with pytest.raises(ValueError, match="2 sounds, 1 labels"):
        Sounds.of(made.samples, [0])
    with pytest.raises(ValueError, match="labels from 0 to 2, but 2 classes"):
        Sounds.of(made.samples, [0, 2], classes=("calm", "cross"))


def test_sounds_without_a_sample_or_of_silence_are_heard() -> None:
    made = stage()
    outputs = sound_outputs(made.model, [np.zeros(0, np.float32), np.zeros(20_000, np.float32)])
    assert np.isfinite(outputs.logits).all()
    assert np.isfinite(made.crop(np.zeros(0, np.float32), np.random.default_rng(0))).all()


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SpeechClip]:
    """Return two clips whose files hold the loudness they are read as."""

    def read(path: Path) -> Samples:
        if not path.read_text():
            message = f"{path} has no sound"
            raise ValueError(message)
        return np.full(200, float(path.read_text()), np.float32)

    monkeypatch.setattr(speech_emotion, "read_voice", read)
    for name, loud in (("a", "0.5"), ("b", "0.25")):
        (tmp_path / name).write_text(loud)
    return [SpeechClip(tmp_path / name, "corpus", name, label) for label, name in enumerate("ab")]


def test_clips_are_decoded_once_and_again_when_they_change(
    tmp_path: Path, clips: list[SpeechClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = Sounds.decode(clips, cache)
    assert [float(piece.mean()) for piece in first.samples] == [0.5, 0.25]
    monkeypatch.setattr(speech_emotion, "_decode", lambda _: pytest.fail("decoded again"))
    again = Sounds.decode(clips, cache)
    assert all(np.array_equal(one, other) for one, other in zip(first.samples, again.samples, strict=True))
    monkeypatch.undo()
    monkeypatch.setattr(speech_emotion, "read_voice", lambda _: np.ones(5, np.float32))
    assert len(Sounds.decode(clips[:1], cache).samples[0]) == 5, "a cache of other clips is not read"
    for kept in cache.iterdir():
        kept.write_bytes(kept.read_bytes()[:100])
    assert len(Sounds.decode(clips[:1], cache).samples[0]) == 5, "nor a damaged one"


def test_clips_that_can_not_be_read_are_named_and_counted(tmp_path: Path, clips: list[SpeechClip]) -> None:
    clips[1].path.write_text("")
    with pytest.raises(DatasetError, match=r"1 of 2 clips can't be used: .*/b has no sound"):
        Sounds.decode(clips, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_cached_samples_are_cut_off_to_16_bits_not_rounded() -> None:
    steps = np.float32([0.9, -0.9, 1.5, -1.5, 3, 40_000, -40_000])
    assert cut_to_int16(steps / np.float32(32_768)).tolist() == [0, 0, 1, -1, 3, 32_767, -32_768]


def test_a_session_is_a_part_of_what_one_speaker_said() -> None:
    speakers = ["anna"] * 50 + ["ben", "", ""]
    found = Sounds.of([np.zeros(160, np.float32)] * 53, [0] * 53, None, speakers=speakers).sessions
    assert len(set(found[:50].tolist())) == 3, "of some twenty clips each"
    assert len(set(found.tolist())) == 6, "and who is not known is nobody else"


def test_votes_are_what_is_learned_of_the_clips_that_have_them() -> None:
    shares = [0.5, 0.5, 0, 0, 0, 0, 0]
    found = Sounds.of([np.zeros(160, np.float32)] * 2, [0, 3], votes={0: shares})
    assert found.targets[0] == pytest.approx(shares)
    assert found.targets[1].argmax() == 3
    assert found.targets[1].sum() == 1
