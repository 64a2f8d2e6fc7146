"""The audio stage on a speech recogniser's encoder: its statistics are computed once, the projector is trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from models.bundle import sound_input
from models.labels import LABELS
from models.media.sound import Samples
from models.media.spectrogram import SAMPLE_RATE, time_warp, white_noise
from models.networks.losses import ExtractorLossWeights, TripletForm, extractor_loss, masked_cross_entropy
from models.networks.speech_encoder import SpeechEncoder, VoiceExtractor, VoiceHead, WhisperMel
from trainer.fit.cache import arrays_digest, cached, digest, network_digest
from trainer.fit.devices import device_of, half_precision
from trainer.fit.loop import FitSettings, Metrics, one_group
from trainer.fit.outputs import BranchOutput
from trainer.stages.audio import Sounds, corpus_masks, corpus_metrics, sampling_weights

_BATCH: Final = 32
_STEP: Final = SAMPLE_RATE // 10  # lengths are cut to tenths of a second, so that clips can be heard together
_EVAL_BATCH: Final = 256
_NOISY: Final = 0.6


@dataclass(frozen=True)
class VoiceSettings:
    """Hyper-parameters of the audio stage on a speech encoder."""

    fit: FitSettings = FitSettings(epochs=15, select="mean_unweighted_accuracy", ema_decay=0.99, bf16=False)
    views: int = 3
    """How often each clip is heard: once as it is, then changed in speed and with noise."""
    batch: int = 128
    rate: float = 1e-3
    weight_decay: float = 5e-2
    dropout: float = 0.3
    label_smoothing: float = 0.1
    metric_weight: float = 0.0
    """Weight of the extractor's own losses (equation 14) beside cross-entropy."""
    triplet_form: TripletForm = "corrected"
    balance: float = 0.7
    """0 draws clips as they come, 1 draws every emotion of every corpus equally often."""
    mixup: float = 0.0
    """Parameter of the Beta distribution by which the statistics of two clips are mixed; 0: never."""


@dataclass(frozen=True)
class VoiceBatch:
    """Statistics ``(batch, width)``, the labels of each row's two clips, the first one's share, masks on logits."""

    statistics: Tensor
    labels: Tensor
    mask: Tensor
    other_labels: Tensor
    other_mask: Tensor
    share: float


class VoiceStage:
    """Cross-entropy within each corpus's own labels, as in :class:`trainer.stages.audio.AudioStage`."""

    name = "audio"

    def __init__(
        self, train: Sounds, dev: Sounds, encoder: SpeechEncoder, settings: VoiceSettings, cache: Path
    ) -> None:
        torch.manual_seed(settings.fit.seed)
        self.train, self.dev, self.settings, self.encoder = train, dev, settings, encoder
        self.head = VoiceHead(encoder.dim, len(LABELS), dropout=settings.dropout)
        self.model: nn.Module = self.head
        self.heard = statistics(encoder, train.samples, settings.views, settings.fit.seed, cache)
        self.heard_dev = statistics(encoder, dev.samples, 1, settings.fit.seed, cache)
        self.masks = corpus_masks(train)
        self.weights = sampling_weights(train, settings.balance)

    @property
    def network(self) -> VoiceExtractor:
        """Return the encoder and the trained head as one network."""
        return VoiceExtractor(self.encoder, self.head).to(device_of(self.head))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return as many batches as there are clips for."""
        return len(self.train.labels) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[VoiceBatch]:
        """Yield mixed statistics of clips drawn by the balancing weights."""
        del epoch
        size = self.settings.batch
        for _ in range(self.steps()):
            one, other = generator.choice(len(self.weights), (2, size), p=self.weights)
            alpha = self.settings.mixup
            share = max(float(generator.beta(alpha, alpha)), 0.5) if alpha else 1.0
            views = generator.integers(0, self.settings.views, (2, size))
            mixed = share * self.heard[one, views[0]] + (1 - share) * self.heard[other, views[1]]
            yield VoiceBatch(mixed, *self._targets(one), *self._targets(other), share)

    def _targets(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        masks = torch.stack([self.masks[self.train.corpora[row]] for row in rows])
        return torch.from_numpy(self.train.labels[rows]), masks

    def loss(self, batch: VoiceBatch) -> Tensor:
        """Return masked cross-entropy plus the weighted extractor losses."""
        embedding, logits = self.model(batch.statistics)
        smoothing = self.settings.label_smoothing
        own = masked_cross_entropy(logits, batch.labels, batch.mask, smoothing)
        other = masked_cross_entropy(logits, batch.other_labels, batch.other_mask, smoothing)
        loss = batch.share * own + (1 - batch.share) * other
        if not self.settings.metric_weight:
            return loss
        metric = extractor_loss(embedding, batch.labels, ExtractorLossWeights(), self.settings.triplet_form)
        return loss + self.settings.metric_weight * metric

    def outputs(self, model: nn.Module) -> BranchOutput:
        """Return what a head says of the dev clips."""
        return head_outputs(model, self.heard_dev[:, 0])

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return, for each corpus and averaged over them, the unweighted accuracy on dev."""
        return corpus_metrics(self.outputs(model).logits, self.dev)


def whisper_input(sounds: Sequence[Samples]) -> Tensor:
    """Return Whisper's spectrograms ``(batch, 80, columns)`` of equally long sounds."""
    return sound_input("whisper", sounds)


@torch.inference_mode()
def head_outputs(model: nn.Module, heard: Tensor) -> BranchOutput:
    """Return the embeddings and logits of statistics ``(clips, width)``."""
    model.eval()
    device = device_of(model)
    return BranchOutput.gather([model(rows.to(device)) for rows in torch.split(heard, _EVAL_BATCH)])


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
