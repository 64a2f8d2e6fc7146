"""The audio stage: the extractor on log-mel images of the acted speech corpora."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from models.extractor import EmotionExtractor
from models.labels import LABELS
from models.losses import ExtractorLossWeights, TripletForm, extractor_loss
from models.sound import Samples, read_sound
from models.spectrogram import SAMPLE_RATE, LogMelImage, time_warp, white_noise
from trainer.data.speech import SpeechClip
from trainer.loop import FitSettings, Metrics, channels_last, one_group
from trainer.metrics import Ints, macro_f1, unweighted_accuracy
from trainer.outputs import BranchOutput

_log: Final = logging.getLogger(__name__)
_FAR: Final = -1e4  # added to the logits of labels a corpus does not have
_QUIET: Final = 0.02  # of the peak: below it the ends of a clip are silence
_MAX_SECONDS: Final = 8
_NOISY: Final = 0.5


@dataclass(frozen=True)
class AudioSettings:
    """Hyper-parameters of the audio stage."""

    fit: FitSettings = FitSettings(epochs=15, select="mean_unweighted_accuracy", ema_decay=0.997)
    batch: int = 32
    rate: float = 1e-3
    weight_decay: float = 5e-2
    label_smoothing: float = 0.1
    metric_weight: float = 0.02
    """Weight of the extractor's own losses (equation 14) beside cross-entropy."""
    triplet_form: TripletForm = "corrected"
    crop_seconds: float = 2.4
    balance: float = 0.5
    """0 draws clips as they come, 1 draws every emotion of every corpus equally often."""


@dataclass(frozen=True)
class Sounds:
    """Decoded clips, with their labels and corpora."""

    samples: list[Samples]
    labels: Ints
    corpora: list[str]

    @staticmethod
    def decode(clips: Sequence[SpeechClip], cache: Path) -> "Sounds":
        """Decode the clips once; the cache is a file of their joined samples."""
        if not cache.exists():
            _write_cache(clips, cache)
        with np.load(cache, allow_pickle=False) as file:
            pieces = np.split(file["samples"].astype(np.float32) / 32768, np.cumsum(file["lengths"])[:-1])
        labels = np.array([clip.label for clip in clips], np.int64)
        return Sounds([np.asarray(piece) for piece in pieces], labels, [clip.corpus for clip in clips])


def _write_cache(clips: Sequence[SpeechClip], cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    pieces = [trim(read_sound(clip.path)) for clip in tqdm(clips, desc="decode speech")]
    joined = np.concatenate([np.clip(piece * 32768, -32768, 32767).astype(np.int16) for piece in pieces])
    partial = cache.with_suffix(".partial.npz")
    np.savez(partial, samples=joined, lengths=np.array([len(piece) for piece in pieces]))
    partial.replace(cache)


def trim(samples: Samples) -> Samples:
    """Cut the silence of a studio recording from both ends, as the live endpointing does; 8 s at most."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET * np.abs(samples).max(initial=1e-6))
    margin = SAMPLE_RATE // 10
    start, end = (max(0, loud[0] - margin), loud[-1] + margin) if len(loud) else (0, len(samples))
    return samples[start : min(end, start + _MAX_SECONDS * SAMPLE_RATE)]


class SpeechBatch:
    """Images ``(batch, 3, bands, columns)``, labels ``(batch,)``, masks ``(batch, classes)`` added to logits."""

    def __init__(self, images: Tensor, labels: Tensor, mask: Tensor) -> None:
        self.images, self.labels, self.mask = images, labels, mask


class AudioStage:
    """Cross-entropy within each corpus's own labels, with the paper's losses on the embedding.

    A corpus that has only some of the emotions must not come to mark them: each clip's softmax runs over
    the labels that its corpus has, so nothing is learned from a corpus about the labels it lacks.
    """

    name = "audio"

    def __init__(self, train: Sounds, dev: Sounds, settings: AudioSettings) -> None:
        torch.manual_seed(settings.fit.seed)
        self.network = EmotionExtractor(len(LABELS), dropout=0.3)
        self.model: nn.Module = channels_last(self.network)
        self.train, self.dev, self.settings = train, dev, settings
        self.spectrogram = LogMelImage()
        self.masks = corpus_masks(train)
        self.weights = sampling_weights(train, settings.balance)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return as many batches as there are clips for."""
        return len(self.train.labels) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[SpeechBatch]:
        """Yield augmented crops, drawn by the balancing weights."""
        del epoch
        drawn = generator.choice(len(self.weights), (self.steps(), self.settings.batch), p=self.weights)
        for rows in drawn:
            crops = np.stack([self.crop(self.train.samples[row], generator) for row in rows])
            images = augment(self.spectrogram(torch.from_numpy(crops)), generator)
            mask = torch.stack([self.masks[self.train.corpora[row]] for row in rows])
            labels = torch.from_numpy(self.train.labels[rows])
            yield SpeechBatch(images.contiguous(memory_format=torch.channels_last), labels, mask)

    def crop(self, samples: Samples, generator: np.random.Generator) -> Samples:
        """Return a random stretch, a short clip at a random place in faint noise, at times with louder noise."""
        size = int(self.settings.crop_seconds * SAMPLE_RATE)
        floor = 10 ** generator.uniform(-5, -3)
        crop = (floor * generator.standard_normal(size)).astype(np.float32)
        if len(samples) >= size:
            start = generator.integers(0, len(samples) - size + 1)
            crop += samples[start : start + size]
        else:
            start = generator.integers(0, size - len(samples) + 1)
            crop[start : start + len(samples)] += samples
        if generator.random() < _NOISY:
            noise = torch.Generator().manual_seed(int(generator.integers(2**31)))
            crop = white_noise(torch.from_numpy(crop), generator.uniform(5, 35), noise).numpy()
        return crop

    def loss(self, batch: SpeechBatch) -> Tensor:
        """Return masked cross-entropy plus the weighted extractor losses."""
        embedding, logits = self.model(batch.images)
        metric = extractor_loss(embedding.float(), batch.labels, ExtractorLossWeights(), self.settings.triplet_form)
        return (
            masked_cross_entropy(logits.float(), batch.labels, batch.mask, self.settings.label_smoothing)
            + self.settings.metric_weight * metric
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return, for each corpus and averaged over them, the unweighted accuracy on dev."""
        return corpus_metrics(speech_outputs(model, self.dev).logits, self.dev)


def corpus_metrics(logits: np.ndarray, sounds: Sounds) -> Metrics:
    """Return the unweighted accuracy over the seven labels for each corpus, and their mean; macro F1 of all."""
    predicted = logits.argmax(axis=1)
    corpora = np.array(sounds.corpora)
    scores = {
        name: unweighted_accuracy(sounds.labels[corpora == name], predicted[corpora == name])
        for name in sorted(set(sounds.corpora))
    }
    mean = float(np.mean(list(scores.values())))
    return {"mean_unweighted_accuracy": mean, "macro_f1": macro_f1(sounds.labels, predicted), **scores}


def masked_cross_entropy(logits: Tensor, labels: Tensor, mask: Tensor, smoothing: float) -> Tensor:
    """Return cross-entropy over the labels that ``mask`` leaves, the smoothing spread over those alone."""
    log_p = functional.log_softmax(logits + mask, dim=1)
    allowed = (mask == 0).to(logits.dtype)
    spread = -(log_p * allowed).sum(dim=1) / allowed.sum(dim=1)
    own = -log_p.gather(1, labels[:, None]).squeeze(1)
    return ((1 - smoothing) * own + smoothing * spread).mean()


def corpus_masks(sounds: Sounds) -> dict[str, Tensor]:
    """Return for each corpus ``(classes,)``: 0 for the labels it has, far below for those it lacks."""
    masks = {}
    for name in set(sounds.corpora):
        present = {int(label) for label, corpus in zip(sounds.labels, sounds.corpora, strict=True) if corpus == name}
        masks[name] = torch.tensor([0.0 if label in present else _FAR for label in range(len(LABELS))])
    return masks


def sampling_weights(sounds: Sounds, balance: float) -> npt.NDArray[np.float64]:
    """Return ``(n,)`` probabilities: each (corpus, label) cell weighs its size to the power 1 - balance."""
    cells = list(zip(sounds.corpora, sounds.labels.tolist(), strict=True))
    sizes = Counter(cells)
    weights = np.array([sizes[cell] ** -balance for cell in cells], np.float64)
    total: np.float64 = weights.sum()
    return weights / total


def augment(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Warp a batch in time, shift its pitch axis a little and blank bands and stretches (SpecAugment)."""
    warped = time_warp(images, float(generator.uniform(0.85, 1.15))).clone()
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


@torch.inference_mode()
def speech_outputs(model: nn.Module, sounds: Sounds) -> BranchOutput:
    """Return the embeddings and logits of whole clips, as the live pipeline computes them."""
    model.eval()
    spectrogram = LogMelImage()
    return BranchOutput.gather([model(spectrogram(torch.from_numpy(samples)[None])) for samples in sounds.samples])
