"""Log-mel spectrograms as three-channel images (paper, section 4.2), with the training augmentation."""

import warnings
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.transforms import MelSpectrogram

SAMPLE_RATE: Final = 16_000
WINDOW: Final = 400
HOP: Final = 160
MEL_BANDS: Final = 128
CHANNELS: Final = 3
TIME_POOL: Final = 2  # frames averaged into one column: emotion is slower than 20 ms, and the ResNet costs half
MIN_SAMPLES: Final = SAMPLE_RATE  # ResNet18 divides the time axis by 32: below this nothing is left
_FLOOR: Final = 1e-5  # -50 dB of full scale: below the noise of any microphone
_EPS: Final = 1e-3


class LogMelImage(nn.Module):
    """Sound to image: 128 log-mel bands, standardised per utterance, repeated over three channels.

    Standardising takes out the loudness of the microphone, which is not the speaker's emotion.

    Shape:
        input ``(batch, samples)`` float32 at 16 kHz; output ``(batch, 3, 128, columns)``, one column for 320 samples.
    """

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # 128 bands on 201 frequencies, as the paper has it, leave the lowest bands empty; torchaudio says so.
            warnings.filterwarnings("ignore", message="At least one mel filterbank")
            self.mel = MelSpectrogram(SAMPLE_RATE, n_fft=WINDOW, win_length=WINDOW, hop_length=HOP, n_mels=MEL_BANDS)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the images of a batch of equally long sounds."""
        log_mel = functional.avg_pool1d(torch.log(self.mel(pad_to_minimum(samples)) + _FLOOR), TIME_POOL)
        mean = log_mel.mean(dim=(1, 2), keepdim=True)
        deviation = log_mel.std(dim=(1, 2), keepdim=True)
        image: Tensor = ((log_mel - mean) / (deviation + _EPS)).unsqueeze(1)
        return image.expand(-1, CHANNELS, -1, -1)


def pad_to_minimum(samples: Tensor, minimum: int = MIN_SAMPLES) -> Tensor:
    """Return ``(batch, samples)`` with silence appended up to ``minimum`` samples."""
    missing = minimum - samples.shape[-1]
    return functional.pad(samples, (0, missing)) if missing > 0 else samples


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
