"""What rooms, microphones and lines do to a voice on its way: so that training hears other than studios.

Each change is a function of sound ``(n,)`` float32 at 16 kHz and a generator, and returns as many samples.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torchaudio.functional import mu_law_decoding, mu_law_encoding

from models.media.high_pass import HighPass
from models.media.sound import Samples
from models.media.spectrogram import SAMPLE_RATE

Floats = npt.NDArray[np.floating]
Change = Callable[[Samples, np.random.Generator], Samples]

_LOUDEST: Final = 1e-4  # of full scale: what is quieter is silence, and nothing can be said of its level
_TELEPHONE_HZ: Final = (300.0, 3400.0)
_MU: Final = 256


def heard_elsewhere(samples: Samples, generator: np.random.Generator) -> Samples:
    """Return a voice as heard in some room, by some microphone, over some line; each step at times.

    What a session takes out of a voice, what lies below 80 Hz, is taken out again afterwards. Generators of one seed
    give one place and line, whatever is said there and for how long.
    """
    for chance, change in _STEPS:
        own = np.random.default_rng(generator.integers(2**63))  # so that no step depends on what another has drawn
        if own.random() < chance:
            samples = change(samples, own)
    return HighPass()(samples)


def room(samples: Samples, generator: np.random.Generator) -> Samples:
    """Add the echo of a room: noise that falls by 60 dB in 0.15 to 0.8 s (Polack's model), from near to far."""
    seconds = generator.uniform(0.15, 0.8)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = generator.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail *= 10 ** (-generator.uniform(0, 15) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] += 1.0
    return _filtered(samples, tail)


def noise(samples: Samples, generator: np.random.Generator) -> Samples:
    """Add steady noise, from white to rumbling, 3 to 30 dB below the voice."""
    slope, below_db = generator.uniform(0, 1), generator.uniform(3, 30)
    spectrum = np.fft.rfft(generator.standard_normal(len(samples)))
    tilt = np.maximum(np.arange(len(spectrum)), 1.0) ** -slope
    coloured = np.fft.irfft(spectrum * tilt, len(samples))
    level = _level(samples) * 10 ** (-below_db / 20)
    noisy: Samples = (samples + coloured * (level / max(_level(coloured), _LOUDEST))).astype(np.float32)
    return noisy


def microphone(samples: Samples, generator: np.random.Generator) -> Samples:
    """Colour the sound as a microphone does: its bands up to 8 dB stronger or weaker, and what is high cut off."""
    bands = np.cumsum(generator.normal(0, 2, 12)).clip(-8, 8)
    highest = generator.uniform(3000, 8000)
    return _equalised(samples, bands, (0.0, highest))


def telephone(samples: Samples, generator: np.random.Generator) -> Samples:
    """Narrow the band and take 8 bits of each sample, as G.711 does."""
    del generator
    narrow = torch.from_numpy(_equalised(samples, np.zeros(2), _TELEPHONE_HZ)).clamp(-1, 1)
    heard: Samples = mu_law_decoding(mu_law_encoding(narrow, _MU), _MU).float().numpy()
    return heard


def overdriven(samples: Samples, generator: np.random.Generator) -> Samples:
    """Take the sound too loud, at times off its middle, and cut its peaks off."""
    peak = float(np.abs(samples).max(initial=0))
    if peak < _LOUDEST:
        return samples
    loud = samples / peak * 10 ** (generator.uniform(0, 12) / 20) + generator.uniform(-0.2, 0.2)
    cut: Samples = np.clip(loud, -1.0, 1.0).astype(np.float32)
    return cut


def quiet(samples: Samples, generator: np.random.Generator) -> Samples:
    """Take the sound so low that little of 16 bits is used: peaks of -60 to -30 dB."""
    peak = float(np.abs(samples).max(initial=0))
    if peak < _LOUDEST:
        return samples
    low = samples / peak * 10 ** (generator.uniform(-60, -30) / 20)
    coarse: Samples = (np.round(low * 2**15) / 2**15).astype(np.float32)
    return coarse


def _level(samples: Floats) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def _equalised(samples: Samples, bands_db: Floats, passed_hz: tuple[float, float]) -> Samples:
    """Return the sound with gains at equally spaced frequencies, and without what is outside of a band."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gains = np.interp(frequencies, np.linspace(0, SAMPLE_RATE / 2, len(bands_db)), bands_db)
    low, high = passed_hz
    passed = (frequencies >= low) & (frequencies <= high)
    shaped = np.fft.rfft(samples) * 10 ** (gains / 20) * passed
    return np.fft.irfft(shaped, len(samples)).astype(np.float32)


def _filtered(samples: Samples, response: Floats) -> Samples:
    size = 1 << (len(samples) + len(response)).bit_length()  # what is transformed fast
    echoed = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return echoed[: len(samples)].astype(np.float32)


_STEPS: Final[tuple[tuple[float, Change], ...]] = (
    (0.4, room),
    (0.6, noise),
    (0.5, microphone),
    (0.15, overdriven),
    (0.1, quiet),
    (0.15, telephone),
)
