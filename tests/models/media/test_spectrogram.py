import numpy as np
import pytest
import torch

from models.media.spectrogram import LogMelImage, pad_to_minimum, time_warp, white_noise


def tone(hertz: float, seconds: float, gain: float = 0.1) -> torch.Tensor:
    return gain * torch.sin(2 * torch.pi * hertz * torch.arange(int(seconds * 16_000)) / 16_000)


@pytest.fixture(scope="module")
def log_mel() -> LogMelImage:
    return LogMelImage()


@pytest.mark.parametrize(("samples", "columns"), [(0, 50), (100, 50), (16_000, 50), (16_159, 50), (32_000, 100)])
def test_a_sound_becomes_an_image_of_128_bands_every_20_ms(log_mel: LogMelImage, samples: int, columns: int) -> None:
    image = log_mel(torch.zeros(2, samples))
    assert image.shape == (2, 3, 128, columns)
    assert image.isfinite().all()


def test_images_are_standardised_and_alike_whatever_the_microphones_gain(log_mel: LogMelImage) -> None:
    noise = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    loud, quiet = log_mel(noise), log_mel(noise * 0.2)
    assert loud.mean().item() == pytest.approx(0, abs=1e-4)
    assert loud.std().item() == pytest.approx(1, abs=0.01)
    assert torch.corrcoef(torch.stack([loud.flatten(), quiet.flatten()]))[0, 1] > 0.95


def test_a_higher_tone_is_in_a_higher_band(log_mel: LogMelImage) -> None:
    peaks = [log_mel(tone(hertz, 1.0)[None])[0, 0].mean(dim=1).argmax().item() for hertz in (300, 1_000, 4_000)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3


def test_an_earlier_sound_is_further_left(log_mel: LogMelImage) -> None:
    sound = torch.cat([tone(1_000, 0.5), torch.zeros(8_000)])[None]
    energy = log_mel(sound)[0, 0].mean(dim=0)
    assert energy[2:23].min() > energy[28:].max()


def test_the_three_channels_are_the_same(log_mel: LogMelImage) -> None:
    image = log_mel(tone(500, 0.7)[None])
    torch.testing.assert_close(image[:, 0], image[:, 2])


def test_only_short_sounds_are_padded_and_at_their_end() -> None:
    padded = pad_to_minimum(torch.ones(1, 3), minimum=5)
    torch.testing.assert_close(padded, torch.tensor([[1.0, 1, 1, 0, 0]]))
    assert pad_to_minimum(torch.ones(1, 6), minimum=5).shape == (1, 6)


@pytest.mark.parametrize(("rate", "frames"), [(1.0, 100), (1.25, 80), (0.8, 125), (500.0, 1)])
def test_time_is_warped_and_bands_are_not(rate: float, frames: int) -> None:
    image = torch.arange(3.0)[:, None].expand(3, 100)[None]
    warped = time_warp(image, rate)
    torch.testing.assert_close(warped, torch.arange(3.0)[None, :, None].expand(1, 3, frames))


def test_warping_moves_what_happens_in_proportion() -> None:
    image = torch.zeros(1, 1, 100)
    image[..., 60] = 1
    assert time_warp(image, 0.5).argmax().item() == pytest.approx(120, abs=2)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_is_as_far_below_the_sound_as_asked(snr_db: float) -> None:
    sound = tone(440, 2.0)
    noise = white_noise(sound, snr_db, torch.Generator().manual_seed(0)) - sound
    measured = 10 * torch.log10(sound.square().mean() / noise.square().mean()).item()
    assert measured == pytest.approx(snr_db, abs=0.2)
    assert np.abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.03
