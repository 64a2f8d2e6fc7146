"""What a speech recogniser's encoder says of voices: computed once, in several views, and kept on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from models.media.sound import Samples
from models.media.spectrogram import SAMPLE_RATE, whisper_mel
from models.networks.speech_encoder import SpeechEncoder
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import half_precision
from trainer.fit.metrics import Ints
from trainer.stages.audio import Sounds
from trainer.stages.augmentation import time_warp
from trainer.stages.microphones import heard_elsewhere

_BATCH: Final = 32
_STEP: Final = SAMPLE_RATE // 10  # lengths are cut to tenths of a second, so that clips can be heard together
_SHARD: Final = 1000  # clips of one file of the cache
_SHORTEST: Final = 0.6  # of a clip, for the views of it
_PADDING: Final = SAMPLE_RATE // 2
_VERSION: Final = 1  # of what is made of a clip: another makes the cache anew


@dataclass(frozen=True, eq=False)
class EncodedSounds:
    """Sounds, and what an encoder says of each in several views, ``(clips, views, width)`` float16."""

    sounds: Sounds
    statistics: Tensor

    def only(self, rows: Ints) -> "EncodedSounds":
        """Return some of them."""
        return EncodedSounds(self.sounds.only(rows), self.statistics[torch.from_numpy(rows)])

    def joined(self, other: "EncodedSounds") -> "EncodedSounds":
        """Return these and others, in the views that both have."""
        views = min(self.statistics.shape[1], other.statistics.shape[1])
        both = torch.cat([self.statistics[:, :views], other.statistics[:, :views]])
        return EncodedSounds(self.sounds.joined(other.sounds), both)


def encoded(encoder: SpeechEncoder, sounds: Sounds, views: int, seed: int, cache: Path) -> EncodedSounds:
    """Return what an encoder says of sounds, see :func:`statistics`."""
    return EncodedSounds(sounds, statistics(encoder, sounds, views, seed, cache))


def statistics(encoder: SpeechEncoder, sounds: Sounds, views: int, seed: int, cache: Path) -> Tensor:
    """Return ``(clips, views, width)`` float16, from ``cache`` where they are already; the first view is the clip.

    They are kept in many files, so that little is lost where it is interrupted, and one more view is all that is made
    where one more is asked for.
    """
    encoder_digest, sessions = network_digest(encoder), sounds.sessions
    found = torch.empty(len(sounds.samples), views, encoder.dim, dtype=torch.float16)
    with tqdm(total=found.shape[0] * views, desc="voices") as bar:
        for start in range(0, len(found), _SHARD):
            rows = slice(start, start + _SHARD)
            samples, places = sounds.samples[rows], sessions[rows]
            heard = arrays_digest(samples)
            for view in range(views):
                key = digest(_VERSION, encoder_digest, heard, view, seed, *([places.tolist()] if view else []))[:16]
                make = partial(_hear, encoder, samples, view, seed, places)
                found[rows, view] = cached(cache / "voices" / f"{key}.safetensors", make)["statistics"]
                bar.update(len(samples))
    return found


@torch.inference_mode()
def _hear(encoder: SpeechEncoder, sounds: Sequence[Samples], view: int, seed: int, places: Ints) -> dict[str, Tensor]:
    changed = [
        _view(samples, view, row, (seed, int(place)))
        for row, (samples, place) in enumerate(zip(sounds, places, strict=True))
    ]
    order = sorted(range(len(changed)), key=lambda row: len(changed[row]))
    found = torch.empty(len(changed), encoder.dim, dtype=torch.float16)
    for _, same in groupby(order, key=lambda row: len(changed[row])):
        rows = list(same)
        for start in range(0, len(rows), _BATCH):
            chosen = rows[start : start + _BATCH]
            images = torch.from_numpy(whisper_mel(np.stack([changed[row] for row in chosen])))
            with half_precision():
                found[chosen] = encoder(images).to(torch.float16)
    return {"statistics": found}


def _view(samples: Samples, view: int, row: int, session: tuple[int, int]) -> Samples:
    """Return a clip as it is (view 0), or changed; whole tenths of a second.

    A changed one is faster or slower, cut and padded at random, so that nothing is to be learned from how long a clip
    is, and heard elsewhere: where the others of its session are.
    """
    if view:
        generator = np.random.default_rng((*session, view, row))
        warped = time_warp(torch.from_numpy(samples), float(generator.uniform(0.87, 1.15))).numpy()
        samples = heard_elsewhere(_window(warped, generator), np.random.default_rng((*session, view)))
    size = max(SAMPLE_RATE, len(samples) // _STEP * _STEP)
    return np.pad(samples, (0, max(0, size - len(samples))))[:size]


def _window(samples: Samples, generator: np.random.Generator) -> Samples:
    """Return a random stretch of a clip, at least a second, between up to half a second of faint noise."""
    size = min(len(samples), max(SAMPLE_RATE, int(len(samples) * generator.uniform(_SHORTEST, 1.0))))
    start = int(generator.integers(0, len(samples) - size + 1))
    before, after = generator.integers(0, _PADDING, 2)
    floor = 10 ** generator.uniform(-5, -3) * generator.standard_normal(before + size + after)
    floor[before : before + size] += samples[start : start + size]
    padded: Samples = floor.astype(np.float32)
    return padded


def moments(heard: Tensor, weights: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return the mean and variance ``(width,)`` of statistics ``(clips, width)``, each clip with a weight."""
    share = torch.from_numpy(weights / weights.sum()).float()
    mean = share @ heard.float()
    return mean, share @ (heard.float() - mean).square()
