import numpy as np
import pytest
import torch
from torch.nn import functional
from torchaudio.transforms import MelSpectrogram

from models.media.spectrogram import log_mel_image, pad_to_minimum, sound_input, speaker_mel, whisper_mel


def tone(hertz: float, seconds: float, gain: float = 0.1) -> np.ndarray:
    return (gain * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000)).astype(np.float32)


def noise(samples: int, rows: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((rows, samples))).astype(np.float32)


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
@pytest.mark.parametrize("samples", [16_000, 16_159, 48_000])
def test_images_are_those_of_torchaudio(samples: int) -> None:
    sounds = noise(samples, 2)
    mel = MelSpectrogram(16_000, n_fft=400, hop_length=160, n_mels=128)(torch.from_numpy(sounds))
    log = functional.avg_pool1d(torch.log(mel + 1e-5), 2)
    deviation, mean = torch.std_mean(log, dim=(1, 2), keepdim=True)
    np.testing.assert_allclose(log_mel_image(sounds)[:, 0], ((log - mean) / (deviation + 1e-3)).numpy(), atol=1e-4)


@pytest.mark.parametrize("samples", [16_000, 16_159, 48_000])
def test_whispers_spectrograms_are_those_of_torchaudio(samples: int) -> None:
    sounds = torch.from_numpy(noise(samples, 2))
    mel = MelSpectrogram(16_000, n_fft=400, hop_length=160, n_mels=80, norm="slaney", mel_scale="slaney")
    level = sounds.square().mean(dim=-1, keepdim=True).sqrt()
    log = mel(sounds * 0.05 / (level + 1e-5))[..., :-1].clamp(min=1e-10).log10()
    expected = (torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8) + 4) / 4
    np.testing.assert_allclose(whisper_mel(sounds.numpy()), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("samples", [400, 19_200, 25_600, 25_700])
@pytest.mark.parametrize("gain", [0.01, 1.0, 5.0])
def test_what_tells_speakers_is_torchaudios_spectrogram_of_no_quiet_sound(samples: int, gain: float) -> None:
    sounds = torch.from_numpy(noise(samples, 2) * np.float32(gain))
    mel = MelSpectrogram(16_000, n_fft=400, hop_length=160, n_mels=40, norm="slaney", mel_scale="slaney")
    decibels = 20 * sounds.square().mean(dim=-1, keepdim=True).sqrt().log10()
    raised = sounds * 10 ** ((-30 - decibels).clamp(min=0) / 20)
    expected = mel(raised)[..., :-1].transpose(1, 2).numpy()
    found = speaker_mel(sounds.numpy())
    assert found.shape == (2, samples // 160, 40)
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-6)  # the decibels of 1e-5 are added to a level


def test_a_networks_input_is_of_its_kind() -> None:
    sounds = noise(16_000, 2)
    np.testing.assert_array_equal(sound_input("whisper", list(sounds)), whisper_mel(sounds))
    np.testing.assert_array_equal(sound_input("log-mel", list(sounds)), log_mel_image(sounds))


@pytest.mark.parametrize(("samples", "columns"), [(0, 50), (100, 50), (16_000, 50), (16_159, 50), (32_000, 100)])
def test_a_sound_becomes_an_image_of_128_bands_every_20_ms(samples: int, columns: int) -> None:
    image = log_mel_image(np.zeros((2, samples), np.float32))
    assert image.shape == (2, 3, 128, columns)
    assert np.isfinite(image).all()


@pytest.mark.parametrize(("samples", "columns"), [(0, 100), (100, 100), (32_000, 200)])
def test_a_sound_becomes_80_bands_every_10_ms_for_whisper(samples: int, columns: int) -> None:
    spectrogram = whisper_mel(np.zeros((2, samples), np.float32))
    assert spectrogram.shape == (2, 80, columns)
    assert np.isfinite(spectrogram).all()


def test_images_are_standardised_and_alike_whatever_the_microphones_gain() -> None:
    loud, quiet = log_mel_image(noise(16_000)), log_mel_image(noise(16_000) * np.float32(0.2))
    assert loud.mean() == pytest.approx(0, abs=1e-4)
    assert loud.std() == pytest.approx(1, abs=0.01)
    assert np.corrcoef(loud.ravel(), quiet.ravel())[0, 1] > 0.95


def test_a_higher_tone_is_in_a_higher_band() -> None:
    peaks = [log_mel_image(tone(hertz, 1.0)[None])[0, 0].mean(axis=1).argmax() for hertz in (300, 1_000, 4_000)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3


def test_an_earlier_sound_is_further_left() -> None:
    sound = np.concatenate([tone(1_000, 0.5), np.zeros(8_000, np.float32)])[None]
    energy = log_mel_image(sound)[0, 0].mean(axis=0)
    assert energy[2:23].min() > energy[28:].max()


def test_the_three_channels_are_the_same() -> None:
    image = log_mel_image(tone(500, 0.7)[None])
    np.testing.assert_array_equal(image[:, 0], image[:, 2])


def test_only_short_sounds_are_padded_and_at_their_end() -> None:
    np.testing.assert_array_equal(pad_to_minimum(np.ones((1, 3), np.float32), minimum=5), [[1, 1, 1, 0, 0]])
    assert pad_to_minimum(np.ones((1, 6), np.float32), minimum=5).shape == (1, 6)
