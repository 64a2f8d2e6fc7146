"""Mel spectrograms: as three-channel images (paper, section 4.2), and as the encoders of Whisper and GE2E take them."""

from collections.abc import Sequence
from functools import cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
AudioKind = Literal["log-mel", "whisper"]
"""What an audio network hears: the paper's images, or Whisper's spectrogram."""

SAMPLE_RATE: Final = 16_000
WINDOW: Final = 400
HOP: Final = 160
MEL_BANDS: Final = 128
WHISPER_BANDS: Final = 80
SPEAKER_BANDS: Final = 40
CHANNELS: Final = 3
MIN_SAMPLES: Final = SAMPLE_RATE  # ResNet18 divides the time axis by 32: below this nothing is left
_TIME_POOL: Final = 2  # frames averaged into one column: emotion is slower than 20 ms, and the ResNet costs half
_FLOOR: Final = 1e-5  # -50 dB of full scale: below the noise of any microphone
_EPS: Final = 1e-3
_LOUDNESS: Final = 0.05  # root mean square that Whisper's sounds are brought to
_LOUDNESS_EPS: Final = 1e-5
_WHISPER_FLOOR: Final = 1e-10
_SPEAKER_LOUDNESS: Final = 10 ** (-30 / 20)  # -30 dB of full scale, as Resemblyzer raises what is quieter
_DYNAMIC_RANGE: Final = 8.0  # decades below the loudest, as Whisper was trained


def sound_input(kind: AudioKind, samples: Sequence[Floats]) -> Floats:
    """Return what an audio network of this kind takes of equally long sounds, each ``(n,)`` at 16 kHz."""
    return (whisper_mel if kind == "whisper" else log_mel_image)(np.stack(samples))


def log_mel_image(samples: Floats) -> Floats:
    """Return sounds as images: 128 log-mel bands, standardised per utterance, repeated over three channels.

    Standardising takes out the loudness of the microphone, which is not the speaker's emotion.

    Shape:
        input ``(batch, samples)`` float32 at 16 kHz; output ``(batch, 3, 128, columns)``, one column for 320 samples.
    """
    log = np.log(_power(pad_to_minimum(samples)) @ _htk_bands() + np.float32(_FLOOR))
    columns = log.shape[1] // _TIME_POOL
    pooled = log[:, : columns * _TIME_POOL].reshape(len(log), columns, _TIME_POOL, -1).mean(axis=2)
    mean = pooled.mean(axis=(1, 2), keepdims=True)
    deviation = pooled.std(axis=(1, 2), ddof=1, keepdims=True)
    image = ((pooled - mean) / (deviation + _EPS)).transpose(0, 2, 1)[:, None]
    return np.repeat(image, CHANNELS, axis=1).astype(np.float32, copy=False)


def whisper_mel(samples: Floats) -> Floats:
    """Return Whisper's log-mel spectrograms of sounds brought to one loudness: the microphone is not the emotion.

    Shape:
        input ``(batch, samples)`` float32 at 16 kHz; output ``(batch, 80, columns)``, one column for 160 samples.
    """
    heard = pad_to_minimum((samples * _LOUDNESS / (_level(samples) + _LOUDNESS_EPS)).astype(np.float32))
    log = np.log10(np.maximum(_power(heard)[:, :-1] @ _slaney_bands(WHISPER_BANDS), np.float32(_WHISPER_FLOOR)))
    loudest = log.max(axis=(1, 2), keepdims=True)
    scaled = (np.maximum(log, loudest - _DYNAMIC_RANGE) + 4.0) / 4.0
    return np.ascontiguousarray(scaled.transpose(0, 2, 1), np.float32)


def speaker_mel(samples: Floats) -> Floats:
    """Return mel power spectrograms, not their logarithms, of sounds of which the quiet are raised to one loudness.

    They are what the speaker encoder of Resemblyzer 0.1.4 was trained on, each sound taken by itself.

    Shape:
        input ``(batch, samples)`` float32 at 16 kHz, at least 160 samples; output ``(batch, frames, 40)``, one frame
        for 160 samples.
    """
    gain = np.maximum(1.0, _SPEAKER_LOUDNESS / (_level(samples) + _LOUDNESS_EPS))
    power = _power((samples * gain).astype(np.float32))[:, :-1]
    return np.ascontiguousarray(power @ _slaney_bands(SPEAKER_BANDS), np.float32)


def _level(samples: Floats) -> Floats:
    """Return the root mean square of each sound, ``(batch, 1)``."""
    level: Floats = np.sqrt(np.square(samples).sum(axis=-1, keepdims=True) / max(1, samples.shape[-1]))
    return level


def pad_to_minimum(samples: Floats, minimum: int = MIN_SAMPLES) -> Floats:
    """Return ``(batch, samples)`` with silence appended up to ``minimum`` samples."""
    return np.pad(samples, ((0, 0), (0, max(0, minimum - samples.shape[-1]))))


def _power(samples: Floats) -> Floats:
    """Return the power spectra ``(batch, frames, 201)`` around every 160th sample, the ends mirrored."""
    mirrored = np.pad(samples, ((0, 0), (WINDOW // 2, WINDOW // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW, axis=1)[:, ::HOP]
    spectra = np.fft.rfft(frames * _hann(), axis=-1)
    power: Floats = (np.square(spectra.real) + np.square(spectra.imag)).astype(np.float32, copy=False)
    return power


@cache
def _hann() -> Floats:
    """Return Hann's window, periodic."""
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@cache
def _htk_bands() -> Floats:
    """Return HTK's bands, each triangle's peak at 1; the lowest ones lie between two frequencies and stay empty."""
    mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2 / 700.0), MEL_BANDS + 2)
    return _triangles(700.0 * (10.0 ** (mel / 2595.0) - 1.0)).astype(np.float32)


@cache
def _slaney_bands(bands: int) -> Floats:
    """Return Slaney's bands, each triangle's area the same: linear up to 1 kHz, logarithmic from there on."""
    linear, step = 1000.0 / (200.0 / 3), np.log(6.4) / 27
    mel = np.linspace(0.0, linear + np.log(SAMPLE_RATE / 2 / 1000.0) / step, bands + 2)
    hertz = np.where(mel < linear, mel * 200.0 / 3, 1000.0 * np.exp(step * (mel - linear)))
    areas: Floats = (_triangles(hertz) * 2.0 / (hertz[2:] - hertz[:-2])).astype(np.float32)
    return areas


def _triangles(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return ``(201, bands)``: how much of each frequency is in each band, from corners ``(bands + 2,)``."""
    apart, widths = hertz[None] - np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)[:, None], np.diff(hertz)
    rising, falling = -apart[:, :-2] / widths[:-1], apart[:, 2:] / widths[1:]
    triangles: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return triangles
