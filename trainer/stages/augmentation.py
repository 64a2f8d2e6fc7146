"""How a training changes sounds and their images (paper, section 4.2)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def time_warp(image: Tensor, rate: float) -> Tensor:
    """Return ``(..., bands, frames)`` stretched in time: ``rate`` 1.1 is a tenth faster, so shorter."""
    frames = max(1, round(image.shape[-1] / rate))
    flat = image.reshape(1, -1, image.shape[-1])
    warped = functional.interpolate(flat, size=frames, mode="linear", align_corners=False)
    return warped.reshape(*image.shape[:-1], frames)


def white_noise(samples: Tensor, snr_db: float, generator: torch.Generator | None = None) -> Tensor:
    """Return ``samples`` with white noise ``snr_db`` decibels below their power."""
    power = samples.square().mean()
    noise = torch.randn(samples.shape, generator=generator, dtype=samples.dtype)
    return samples + noise * (power / 10 ** (snr_db / 10)).sqrt()


def augment_image(images: Tensor, generator: np.random.Generator, strong: bool = True) -> Tensor:
    """Warp a batch in time as the paper does; strongly, also shift its pitch axis and blank parts (SpecAugment)."""
    warped = time_warp(images, float(generator.uniform(0.85, 1.15))).clone()
    if not strong:
        return warped
    shift = int(generator.integers(-4, 5))
    warped = torch.roll(warped, shift, dims=2)
    bands, columns = warped.shape[2:]
    for image in warped:
        for _ in range(2):
            height, width = generator.integers(0, bands // 8), generator.integers(0, columns // 8)
            low, first = generator.integers(0, bands - height), generator.integers(0, columns - width)
            image[:, low : low + height, :] = 0.0
            image[:, :, first : first + width] = 0.0
    return warped
