"""The audio stage on a speech recogniser's encoder: its statistics are computed once, the projector is trained."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.bundle import sound_input
from models.media.sound import Samples
from models.media.spectrogram import SAMPLE_RATE, time_warp
from models.networks.speech_encoder import SpeechEncoder, VoiceExtractor, VoiceHead, WhisperMel, load_whisper_encoder
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import device_of, half_precision
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput
from trainer.stages.audio import AudioBackbone, AudioSettings, AudioStage, Sounds
from trainer.stages.microphones import heard_elsewhere
from trainer.stages.packaged import packaged_whisper

_BATCH: Final = 32
_STEP: Final = SAMPLE_RATE // 10  # lengths are cut to tenths of a second, so that clips can be heard together
_EVAL_BATCH: Final = 256
_SHARD: Final = 1000  # clips of one file of the cache
_SHORTEST: Final = 0.6  # of a clip, for the views of it
_PADDING: Final = SAMPLE_RATE // 2
_VERSION: Final = 1  # of what is made of a clip: another makes the cache anew
WHISPER_INPUT: Final = partial(sound_input, "whisper")
"""From equally long sounds, ``(n,)`` at 16 kHz each, to Whisper's spectrograms ``(batch, 80, columns)``."""


class WhisperStage(AudioStage):
    """A projector and a head on the statistics of an encoder that stays as it is.

    Args:
        train: what is learned from.
        dev: what checkpoints are chosen on.
        settings: ``views`` says how often each clip is heard, differently each time.
        cache: a folder of what the encoder says.
        encoder: Whisper tiny.en's if None.
    """

    def __init__(
        self, train: Sounds, dev: Sounds, settings: AudioSettings, cache: Path, encoder: SpeechEncoder | None = None
    ) -> None:
        self.encoder = encoder or load_whisper_encoder(packaged_whisper())
        super().__init__(train, dev, settings, AudioBackbone(self._head, WHISPER_INPUT, lambda heard, *_: heard))
        self.views, seed = settings.views, settings.fit.seed
        self.heard = statistics(self.encoder, train, self.views, seed, cache)
        self.heard_dev = statistics(self.encoder, dev, 1, seed, cache)
        self.voice.norm.load_moments(*moments(self.heard, self.weights))

    def _head(self, classes: int, detached_head: bool, dropout: float) -> nn.Module:
        return VoiceHead(self.encoder.dim, classes, dropout=dropout, detached_head=detached_head)

    @property
    def voice(self) -> VoiceHead:
        """Return the head that is trained."""
        assert isinstance(self.network, VoiceHead)  # noqa: S101 - made above
        return self.network

    @property
    def branch(self) -> VoiceExtractor:
        """Return the encoder and the trained head as one network."""
        return VoiceExtractor(self.encoder, self.voice).to(device_of(self.voice))

    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return the standardised statistics ``(rows, width)`` of one view of each clip."""
        del epoch
        with torch.inference_mode():
            heard = self.heard[rows, generator.integers(0, self.views, len(rows))].float().to(device_of(self.voice))
            return self.voice.standardised(heard).cpu()

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a head says of training clips as they are."""
        return head_outputs(cast("VoiceHead", model), self.heard[rows, 0])

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a head says of the dev clips."""
        return head_outputs(cast("VoiceHead", model), self.heard_dev[:, 0])


def moments(heard: Tensor, weights: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return the mean and variance ``(width,)`` of statistics ``(clips, views, width)``, each clip with a weight."""
    share = torch.from_numpy(weights / weights.sum() / heard.shape[1]).float()
    views = [heard[:, view].float() for view in range(heard.shape[1])]
    mean = torch.stack([share @ view for view in views]).sum(dim=0)
    return mean, torch.stack([share @ (view - mean).square() for view in views]).sum(dim=0)


@torch.inference_mode()
def head_outputs(model: VoiceHead, heard: Tensor) -> BranchOutput:
    """Return the embeddings and logits of an encoder's statistics ``(clips, width)``."""
    model.eval()
    device = device_of(model)
    return BranchOutput.gather(
        [model(model.standardised(rows.float().to(device))) for rows in torch.split(heard, _EVAL_BATCH)]
    )


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
    mel = WhisperMel()
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
            images = mel(torch.from_numpy(np.stack([changed[row] for row in chosen])))
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
