import numpy as np
import pytest
import torch

from trainer.stages.augmentation import time_warp, white_noise


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
    sound = 0.1 * torch.sin(2 * torch.pi * 440 * torch.arange(32_000) / 16_000)
    noise = white_noise(sound, snr_db, torch.Generator().manual_seed(0)) - sound
    measured = 10 * torch.log10(sound.square().mean() / noise.square().mean()).item()
    assert measured == pytest.approx(snr_db, abs=0.2)
    assert np.abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.03
