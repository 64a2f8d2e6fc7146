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
from torch.nn import functional
from tqdm import tqdm

from models.bundle import sound_input
from models.media.sound import Samples
from models.media.spectrogram import SAMPLE_RATE, time_warp, white_noise
from models.networks.speech_encoder import SpeechEncoder, VoiceExtractor, VoiceHead, WhisperMel, load_whisper_encoder
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import device_of, half_precision
from trainer.fit.metrics import Ints
from trainer.fit.outputs import BranchOutput
from trainer.stages.audio import AudioBackbone, AudioSettings, AudioStage, Sounds
from trainer.stages.packaged import packaged_whisper

_BATCH: Final = 32
_STEP: Final = SAMPLE_RATE // 10  # lengths are cut to tenths of a second, so that clips can be heard together
_EVAL_BATCH: Final = 256
_NOISY: Final = 0.6
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
        self.heard = statistics(self.encoder, train.samples, self.views, seed, cache)
        self.heard_dev = statistics(self.encoder, dev.samples, 1, seed, cache)
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
            heard = self.heard[rows, generator.integers(0, self.views, len(rows))].to(device_of(self.voice))
            return self.voice.standardised(heard).cpu()

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a head says of training clips as they are."""
        return head_outputs(cast("VoiceHead", model), self.heard[rows, 0])

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a head says of the dev clips."""
        return head_outputs(cast("VoiceHead", model), self.heard_dev[:, 0])


def moments(heard: Tensor, weights: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return the mean and variance ``(width,)`` of statistics ``(clips, views, width)``, each clip with a weight."""
    share = torch.from_numpy(weights / weights.sum()).float()
    mean = torch.einsum("n,nw->w", share, heard.mean(dim=1))
    square = torch.einsum("n,nw->w", share, (heard - mean).square().mean(dim=1))
    return mean, square


@torch.inference_mode()
def head_outputs(model: VoiceHead, heard: Tensor) -> BranchOutput:
    """Return the embeddings and logits of an encoder's statistics ``(clips, width)``."""
    model.eval()
    device = device_of(model)
    return BranchOutput.gather([model(model.standardised(rows.to(device))) for rows in torch.split(heard, _EVAL_BATCH)])


@torch.inference_mode()
def statistics(encoder: SpeechEncoder, sounds: Sequence[Samples], views: int, seed: int, cache: Path) -> Tensor:
    """Return ``(clips, views, width)`` float32, from ``cache`` where they are already; the first view is the clip."""
    key = digest(network_digest(encoder), arrays_digest(sounds), views, seed)[:16]
    made = cached(cache / f"voices-{key}.safetensors", lambda: {"statistics": _hear(encoder, sounds, views, seed)})
    return made["statistics"].float()


def _hear(encoder: SpeechEncoder, sounds: Sequence[Samples], views: int, seed: int) -> Tensor:
    mel = WhisperMel()
    changed = [_view(samples, view, seed + row) for row, samples in enumerate(sounds) for view in range(views)]
    order = sorted(range(len(changed)), key=lambda row: len(changed[row]))
    found = torch.zeros(len(changed), encoder.dim, dtype=torch.bfloat16)
    with tqdm(total=len(order), desc="voices") as bar:
        for _, same in groupby(order, key=lambda row: len(changed[row])):
            rows = list(same)
            for start in range(0, len(rows), _BATCH):
                chosen = rows[start : start + _BATCH]
                images = mel(torch.from_numpy(np.stack([changed[row] for row in chosen])))
                with half_precision():
                    found[chosen] = encoder(images).to(torch.bfloat16)
                bar.update(len(chosen))
    return found.reshape(len(sounds), views, encoder.dim)


def _view(samples: Samples, view: int, seed: int) -> Samples:
    """Return a clip as it is (view 0), or faster or slower and at times with noise; whole tenths of a second."""
    changed = torch.from_numpy(samples)
    if view:
        generator = np.random.default_rng((seed, view))
        changed = time_warp(changed, float(generator.uniform(0.88, 1.12)))
        if generator.random() < _NOISY:
            noise = torch.Generator().manual_seed(int(generator.integers(2**31)))
            changed = white_noise(changed, float(generator.uniform(5, 35)), noise)
    size = max(SAMPLE_RATE, len(changed) // _STEP * _STEP)
    return functional.pad(changed, (0, max(0, size - len(changed))))[:size].numpy()
