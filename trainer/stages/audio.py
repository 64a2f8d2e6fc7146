"""The audio stage: the extractor on log-mel images of the acted speech corpora, or of conversations."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
import pydantic
import torch
from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from tqdm import tqdm

from models.labels import LABELS
from models.media.high_pass import CUTOFF_HZ
from models.media.sound import Samples, read_voice
from models.media.spectrogram import SAMPLE_RATE, AudioKind, sound_input
from models.networks.extractor import EmotionExtractor
from trainer.data.conversation import DatasetError
from trainer.data.speech import SpeechClip, speaker_ids
from trainer.fit.cache import Arrays, digest, load_rows, save_rows
from trainer.fit.devices import device_of
from trainer.fit.loop import FitSettings
from trainer.fit.metrics import Ints, Metrics, macro_f1, unweighted_accuracy
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.augmentation import augment_image, white_noise
from trainer.stages.extractor import PAPER_DECAY, PAPER_RATE, ExtractorSettings, ExtractorStage, paper_fit
from trainer.stages.histories import HistorySettings
from trainer.stages.probes import ProbeSettings
from wire.pcm import FULL_SCALE, from_int16, to_int16

_FAR: Final = -1e4  # added to the logits of labels a corpus does not have
_QUIET: Final = 0.02  # of the peak: below it the ends of a clip are silence
_MAX_SECONDS: Final = 8
_NOISY: Final = 0.5
_SHOWN: Final = 5  # unreadable clips named in a message
_SOUND: Final = "sound"
_SESSION: Final = 20  # clips of one speaker that are heard in one place


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AudioSettings(ExtractorSettings):
    """Hyper-parameters of the audio stage."""

    fit: FitSettings = field(
        default_factory=lambda: FitSettings(epochs=15, select="mean_unweighted_accuracy", ema_decay=0.997)
    )
    batch: int = 32
    crop_seconds: PositiveFloat = 2.4
    balance: float = 0.5
    """0 draws clips as they come, 1 draws every emotion of every corpus equally often."""
    augmentation: Literal["strong", "paper"] = "strong"
    """The paper's is time warping and white noise; the strong one also shifts the pitch and blanks parts."""
    backbone: AudioKind = "log-mel"
    """The paper's extractor on log-mel images, trained whole, or a projector on Whisper's encoder as it is."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    views: PositiveInt = 3
    """How often Whisper's encoder hears each clip: once as it is, then as in other places (trainer.stages.hearing)."""
    histories: HistorySettings = HistorySettings()
    """What speakers said before, of the branch on Whisper's encoder, which tells a voice against its own baseline."""
    probe: ProbeSettings = field(default_factory=lambda: ProbeSettings(examples=1000))

    @staticmethod
    def paper() -> "AudioSettings":
        """Return the paper's: its three losses alone, by Adam, for 60 epochs (section 4.2)."""
        return AudioSettings(
            fit=paper_fit(epochs=60),
            rate=PAPER_RATE,
            weight_decay=PAPER_DECAY,
            classification_weight=0.0,
            metric_weight=1.0,
            augmentation="paper",
        )


@dataclass(frozen=True)
class Sounds:
    """Decoded clips.

    Attributes:
        samples: ``(n,)`` float32 at 16 kHz, each.
        labels: one for each, as an index of ``classes``.
        corpora: one for each.
        classes: the names of the labels.
        speakers: one for each, empty where it is not known.
        targets: ``(n, classes)``, the shares of each label in what raters heard; 1 for the label where none were asked.
    """

    samples: list[Samples]
    labels: Ints
    corpora: list[str]
    classes: tuple[str, ...]
    speakers: list[str]
    targets: Floats

    @staticmethod
    def of(
        samples: Sequence[Samples],
        labels: Sequence[int] | Ints,
        corpora: Sequence[str] | None = None,
        classes: Sequence[str] = LABELS,
        speakers: Sequence[str] | None = None,
        votes: Mapping[int, Sequence[float]] | None = None,
    ) -> "Sounds":
        """Take sounds that are decoded already, such as the utterances of conversations.

        Args:
            samples: ``(n,)`` float32 at 16 kHz, each.
            labels: one for each, as an index of ``classes``.
            corpora: one for each; by default all are of one corpus.
            classes: the names of the labels.
            speakers: one for each; by default none is known.
            votes: by place, the raters' shares of each label, of those that raters were asked of.

        Raises:
            ValueError: the lengths differ, or a label is no index of ``classes``.
        """
        names = ["speech"] * len(samples) if corpora is None else list(corpora)
        people = [""] * len(samples) if speakers is None else list(speakers)
        indices = np.asarray(labels, np.int64)
        if not len(samples) == len(indices) == len(names) == len(people):
            message = (
                f"{len(samples)} sounds, {len(indices)} labels, {len(names)} corpora and {len(people)} speakers: "
                "one of each is needed"
            )
            raise ValueError(message)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(classes):
            message = f"labels from {indices.min()} to {indices.max()}, but {len(classes)} classes"
            raise ValueError(message)
        targets = np.eye(len(classes), dtype=np.float32)[indices]
        for place, shares in (votes or {}).items():
            targets[place] = shares
        return Sounds(list(samples), indices, names, tuple(classes), people, targets)

    def only(self, rows: Ints) -> "Sounds":
        """Return some of them."""
        return Sounds(
            [self.samples[row] for row in rows],
            self.labels[rows],
            [self.corpora[row] for row in rows],
            self.classes,
            [self.speakers[row] for row in rows],
            self.targets[rows],
        )

    def joined(self, other: "Sounds") -> "Sounds":
        """Return these and others of the same classes."""
        return Sounds(
            [*self.samples, *other.samples],
            np.concatenate([self.labels, other.labels]),
            [*self.corpora, *other.corpora],
            self.classes,
            [*self.speakers, *other.speakers],
            np.concatenate([self.targets, other.targets]),
        )

    @cached_property
    def speaker_ids(self) -> Ints:
        """Return ``(n,)``, a number for each speaker of each corpus; a clip whose speaker is not known has its own."""
        return speaker_ids(self.corpora, self.speakers)

    @cached_property
    def sessions(self) -> Ints:
        """Return ``(n,)``: which clips are of one speaker and, of a speaker with many, of one part of them.

        A clip whose speaker is not known is a session of its own.
        """
        people: dict[int, list[int]] = {}
        for row, person in enumerate(self.speaker_ids.tolist()):
            people.setdefault(person, []).append(row)
        found = np.zeros(len(self.labels), np.int64)
        count = 0
        for rows in people.values():
            parts = -(-len(rows) // _SESSION)
            found[rows] = count + np.arange(len(rows)) % parts  # every so many: files often stand by emotion
            count += parts
        return found

    def of_corpus(self, name: str) -> Ints:
        """Return the rows of one corpus."""
        return np.flatnonzero(np.array(self.corpora) == name)

    @staticmethod
    def decode(clips: Sequence[SpeechClip], cache: Path, classes: Sequence[str] = LABELS) -> "Sounds":
        """Decode the clips once, to 16 bits.

        Args:
            clips: of one corpus or of several.
            cache: a folder.
            classes: what the clips' labels are indices of.

        Raises:
            DatasetError: clips can't be read as sound.
            FileError: the cache can't be written.
        """
        path = cache / f"speech-{_cache_key(clips)}.safetensors"
        known = load_rows(path)
        rows = _decode(clips) if known is None else known[0]
        if known is None:
            save_rows(rows, path)
        samples = [from_int16(row[_SOUND]) for row in rows if row is not None]
        return Sounds.of(
            samples,
            [clip.label for clip in clips],
            [clip.corpus for clip in clips],
            classes,
            [clip.speaker for clip in clips],
            {place: clip.votes for place, clip in enumerate(clips) if clip.votes is not None},
        )


def _cache_key(clips: Sequence[SpeechClip]) -> str:
    """Return a hash of what the cached samples depend on: the files and how they are cut."""
    files = [(str(clip.path), *_state(clip.path)) for clip in clips]
    return digest(_QUIET, _MAX_SECONDS, CUTOFF_HZ, files)[:16]


def _state(path: Path) -> tuple[int, int]:
    """Return a file's size and time, or zeros where there is none, which reading it will tell."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def _decode(clips: Sequence[SpeechClip]) -> list[Arrays | None]:
    """Read all clips, to 16 bits as they are cached, so that the first run hears what later ones do."""
    rows: list[Arrays | None] = []
    unreadable: list[str] = []
    for clip in tqdm(clips, desc="decode speech"):
        try:
            rows.append({_SOUND: cut_to_int16(trim(read_voice(clip.path)))})
        except ValueError as error:
            unreadable.append(str(error))
    if unreadable:
        shown = "; ".join(unreadable[:_SHOWN])
        message = f"{len(unreadable)} of {len(clips)} clips can't be used: restore or remove them. {shown}"
        raise DatasetError(message)
    return rows


def trim(samples: Samples) -> Samples:
    """Cut the silence of a studio recording from both ends, as the live endpointing does; 8 s at most."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET * np.abs(samples).max(initial=1e-6))
    margin = SAMPLE_RATE // 10
    start, end = (max(0, loud[0] - margin), loud[-1] + margin) if len(loud) else (0, len(samples))
    return samples[start : min(end, start + _MAX_SECONDS * SAMPLE_RATE)]


def cut_to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """Return ``(n,)`` float32 as the 16-bit samples ``(n,)`` that are cached: cut off where others are rounded.

    The committed bundle was trained and judged on these; half a step of 16 bits changes what it says of some clips.
    """
    return to_int16(np.trunc(samples * np.float32(FULL_SCALE)) / np.float32(FULL_SCALE))


@dataclass(frozen=True)
class AudioBackbone:
    """A kind of audio branch: its network, and how sounds become what that is fed.

    Attributes:
        network: makes what is trained, ``network(input) -> (embedding, logits)``, from the number of classes, whether
            its head is to be detached (see :class:`models.networks.extractor.EmotionExtractor`) and the dropout.
        input: sounds, ``(n,)`` float32 at 16 kHz each, to a batch of the network's input on the CPU.
        augment: of a training batch of that input, after the sounds have been cropped and noise added; its last
            argument says whether strongly, or as the paper does.
    """

    network: Callable[[int, bool, float], nn.Module]
    input: Callable[[Sequence[Samples]], Floats]
    augment: Callable[[Tensor, np.random.Generator, bool], Tensor]


def log_mel_network(classes: int, detached_head: bool, dropout: float) -> nn.Module:
    """Return the extractor."""
    return EmotionExtractor(classes, dropout=dropout, detached_head=detached_head)


class AudioStage(ExtractorStage[nn.Module]):
    """The extractor on voices, its cross-entropy within each corpus's own labels.

    A corpus that has only some of the emotions must not come to mark them: each clip's softmax runs over
    the labels that its corpus has, so nothing is learned from a corpus about the labels it lacks.
    """

    name = "audio"

    def __init__(
        self, train: Sounds, dev: Sounds, settings: AudioSettings, backbone: AudioBackbone | None = None
    ) -> None:
        torch.manual_seed(settings.fit.seed)
        self.backbone = backbone or LOG_MEL
        network = self.backbone.network(len(train.classes), settings.classification_weight == 0, settings.dropout)
        super().__init__(network, train.labels, dev.labels, settings, shared_labels=train.classes == dev.classes)
        self.train, self.dev = train, dev
        self.crop_size = int(settings.crop_seconds * SAMPLE_RATE)
        self.strong = settings.augmentation == "strong"
        self.corpus_masks = corpus_masks(train)
        self.weights = sampling_weights(train, settings.balance)

    def draw(self, generator: np.random.Generator) -> Ints:
        """Return rows drawn by the balancing weights."""
        size = (self.steps(), self.settings.batch)
        return np.asarray(generator.choice(len(self.weights), size, p=self.weights), np.int64)

    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return augmented crops."""
        del epoch
        crops = [self.crop(self.train.samples[row], generator) for row in rows]
        return _laid_out(self.backbone.augment(torch.from_numpy(self.backbone.input(crops)), generator, self.strong))

    def masks(self, rows: Ints) -> Tensor:
        """Return the masks of the clips' corpora."""
        return torch.stack([self.corpus_masks[self.train.corpora[row]] for row in rows])

    def crop(self, samples: Samples, generator: np.random.Generator) -> Samples:
        """Return a random stretch, a short clip at a random place in faint noise, at times with louder noise."""
        size = self.crop_size
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

    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a model says of whole training clips."""
        return sound_outputs(model, [self.train.samples[row] for row in rows], self.backbone.input)

    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a model says of the whole dev clips."""
        return sound_outputs(model, self.dev.samples, self.backbone.input)

    def head_metrics(self, logits: Floats) -> Metrics:
        """Return, for each corpus and averaged over them, the unweighted accuracy on dev."""
        return voice_corpus_metrics(logits, self.dev)


def voice_corpus_metrics(logits: Floats, sounds: Sounds) -> Metrics:
    """Return the unweighted accuracy for each corpus, and their mean; macro F1 of all."""
    predicted = logits.argmax(axis=1)
    rows = {name: sounds.of_corpus(name) for name in sorted(set(sounds.corpora))}
    scores = {name: unweighted_accuracy(sounds.labels[found], predicted[found]) for name, found in rows.items()}
    mean = float(np.mean(list(scores.values())))
    return {"mean_unweighted_accuracy": mean, "macro_f1": macro_f1(sounds.labels, predicted), **scores}


def corpus_masks(sounds: Sounds) -> dict[str, Tensor]:
    """Return for each corpus ``(classes,)``: 0 for the labels it has, far below for those it lacks."""
    masks = {}
    for name in set(sounds.corpora):
        present = {int(label) for label, corpus in zip(sounds.labels, sounds.corpora, strict=True) if corpus == name}
        masks[name] = torch.tensor([0.0 if label in present else _FAR for label in range(len(sounds.classes))])
    return masks


def sampling_weights(sounds: Sounds, balance: float) -> npt.NDArray[np.float64]:
    """Return ``(n,)`` probabilities: each (corpus, label) cell weighs its size to the power 1 - balance."""
    cells = list(zip(sounds.corpora, sounds.labels.tolist(), strict=True))
    sizes = Counter(cells)
    weights = np.array([sizes[cell] ** -balance for cell in cells], np.float64)
    total: np.float64 = weights.sum()
    return weights / total


LOG_MEL: Final = AudioBackbone(log_mel_network, partial(sound_input, "log-mel"), augment_image)
"""The paper's branch: ResNet18 on log-mel images."""


@torch.inference_mode()
def sound_outputs(
    model: nn.Module, samples: Sequence[Samples], audio_input: Callable[[Sequence[Samples]], Floats] = LOG_MEL.input
) -> BranchOutput:
    """Return the embeddings and logits of whole sounds, as the live pipeline computes them, whatever their lengths."""
    model.eval()
    device = device_of(model)
    return BranchOutput.gather(
        [model(_laid_out(torch.from_numpy(audio_input([sound]))).to(device)) for sound in samples]
    )


def _laid_out(images: Tensor) -> Tensor:
    """Return images as CPUs convolve them fastest; what is no image is left as it is."""
    return images.contiguous(memory_format=torch.channels_last) if images.dim() == 4 else images  # noqa: PLR2004
