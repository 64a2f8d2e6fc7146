from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from torch.nn import functional

from models.media.sound import read_sound
from models.media.spectrogram import whisper_mel
from models.networks.ctranslate2_weights import WeightsError, read_weights
from models.networks.speech_encoder import (
    FixedNorm,
    SpeechEncoder,
    VoiceExtractor,
    VoiceHead,
    load_whisper_encoder,
)
from trainer.stages.packaged import packaged_whisper

SPEECH = Path(__file__).parents[2] / "fixtures" / "speech" / "two_speakers.opus"


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return load_whisper_encoder(packaged_whisper())


@pytest.fixture(scope="module")
def mel() -> torch.Tensor:
    """Thirty seconds, as Whisper always has them."""
    samples = read_sound(SPEECH)[: 30 * 16_000]
    return torch.from_numpy(whisper_mel(np.pad(samples, (0, 30 * 16_000 - len(samples)))[None]))


@pytest.mark.slow
def test_the_encoder_computes_what_the_speech_recogniser_does(encoder: SpeechEncoder, mel: torch.Tensor) -> None:
    folder = packaged_whisper()
    original = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.numpy()))
    expected = torch.from_numpy(np.array(original.encode(features)))
    norm = read_weights(folder / "model.bin")
    with torch.inference_mode():
        last = functional.layer_norm(
            encoder.states(mel)[-1],
            (384,),
            norm["encoder/layer_norm/gamma"].float(),
            norm["encoder/layer_norm/beta"].float(),
        )
    assert last == pytest.approx(expected, abs=1e-3)


def test_loudness_changes_nothing() -> None:
    samples = read_sound(SPEECH)[None, :32_000]
    quiet, loud = whisper_mel(samples / 10), whisper_mel(samples)
    assert quiet == pytest.approx(loud, abs=1e-2)


def test_silence_and_very_short_sounds_give_finite_answers(encoder: SpeechEncoder) -> None:
    network = VoiceExtractor(encoder, VoiceExtractor.untrained(7).voice).eval()
    for samples in (100, 32_000):
        with torch.inference_mode():
            embedding, logits = network(torch.from_numpy(whisper_mel(np.zeros((1, samples), np.float32))))
        assert embedding.shape == (1, 300)
        assert logits.shape == (1, 7)
        assert torch.isfinite(logits).all()


def test_a_model_file_cut_short_or_of_another_version_is_told(tmp_path: Path) -> None:
    content = (packaged_whisper() / "model.bin").read_bytes()[:1000]
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightsError, match="not a whole CTranslate2 model"):
        read_weights(tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(b"\x63\0\0\0" + content[4:])
    with pytest.raises(WeightsError, match="version 99"):
        read_weights(tmp_path / "model.bin")


def voice_head() -> VoiceHead:
    torch.manual_seed(0)
    head = VoiceHead(20, 7, dim=20, baseline=12).eval().requires_grad_(False)
    assert head.baseline is not None
    head.baseline.load(torch.randn(12, 20), torch.randn(7, 12), torch.rand(12) * 5 + 0.5)
    return head


def test_a_voice_without_a_history_is_heard_as_one_whose_offset_is_nothing() -> None:
    head, statistics = voice_head(), torch.randn(3, 12)
    for alone, told in zip(head(statistics), head(statistics, torch.zeros(3, 12), torch.zeros(3, 1)), strict=True):
        assert (alone == told).all()


def test_a_voice_is_told_against_its_speakers_offset_and_how_sure_that_is() -> None:
    head, statistics, offset = voice_head(), torch.randn(1, 12), torch.randn(1, 12)
    few, many = (head(statistics, offset, torch.full((1, 1), count))[1] for count in (1.0, 20.0))
    assert not torch.allclose(few, many)
    same = head(statistics + 1, offset + 1, torch.full((1, 1), 20.0))[1]
    assert same.detach() == pytest.approx(many.detach(), abs=1e-5)


def test_what_is_standardised_does_not_depend_on_its_batch() -> None:
    norm, rows = FixedNorm(4), torch.randn(6, 4) * 3 + 2
    norm.load_moments(rows.mean(dim=0), rows.var(dim=0, correction=0))
    for mode in (True, False):
        norm.train(mode)
        found = norm(rows)
        assert found.mean(dim=0).detach() == pytest.approx(torch.zeros(4), abs=1e-5)
        assert norm(rows[:1])[0].detach() == pytest.approx(found[0].detach(), abs=1e-6)


def test_the_last_layer_gives_the_logits_of_rectified_embeddings() -> None:
    torch.manual_seed(0)
    for head in (voice_head(), VoiceHead(12, 7, dim=20).eval().requires_grad_(False)):
        embedding, logits = head(torch.randn(5, 12))
        torch.testing.assert_close(head.last()(torch.relu(embedding)), logits)
        torch.testing.assert_close(head.classify(embedding), logits)
