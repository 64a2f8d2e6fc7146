"""The voice branch on a speech recogniser's encoder: what Whisper's layers say of a voice, and how it was said.

A recogniser's encoder has heard far more speech than the emotional corpora hold. Its layers are kept as they are;
the mean and deviation over time of each, told against the speaker's own baseline, go through a projector (paper,
section 3.2: a linear projector to 300 dimensions) and a linear head.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.branches import EMBEDDING_DIM
from models.media.spectrogram import WHISPER_BANDS
from models.networks.ctranslate2_weights import read_weights
from models.speaker_baseline import BaselineReference

_EPS: Final = 1e-5
_SHARPNESS: Final = 0.2  # of log-likelihoods: statistics beside each other say the same again and again


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """The sizes of Whisper tiny's encoder (Radford et al., 2022)."""

    width: int = 384
    layers: int = 4
    heads: int = 6
    positions: int = 1500


class _Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, 4 * config.width)
        self.shrink = nn.Linear(4 * config.width, config.width)

    def forward(self, stream: Tensor) -> Tensor:
        """Return ``(batch, frames, width)``."""
        joined = self.query_key_value(self.attention_norm(stream))
        parts = joined.reshape(*stream.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        stream = stream + self.out(attended.transpose(1, 2).flatten(-2))
        wide = functional.gelu(self.expand(self.feed_forward_norm(stream)))
        output: Tensor = stream + self.shrink(wide)
        return output


class SpeechEncoder(nn.Module):
    """Whisper's encoder, of which every layer's output is kept.

    Shape:
        input ``(batch, 80, columns)`` of at most 3,000 columns; output ``(batch, 2 * (layers + 1) * width)``: the
        mean and the standard deviation over time of what each layer, and the convolutions before them, give.
    """

    def __init__(self, config: SpeechEncoderConfig = SpeechEncoderConfig()) -> None:
        super().__init__()
        self.config = config
        self.listen = nn.Conv1d(WHISPER_BANDS, config.width, kernel_size=3, padding=1)
        self.halve = nn.Conv1d(config.width, config.width, kernel_size=3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(config.positions, config.width), requires_grad=False)
        self.layers = nn.ModuleList([_Layer(config) for _ in range(config.layers)])

    @property
    def dim(self) -> int:
        """Return the width of the output."""
        return 2 * (self.config.layers + 1) * self.config.width

    def states(self, mel: Tensor) -> list[Tensor]:
        """Return what the convolutions and each layer give, each ``(batch, frames, width)``, two columns a frame."""
        stream = functional.gelu(self.halve(functional.gelu(self.listen(mel)))).transpose(1, 2)
        stream = stream + self.positions[: stream.shape[1]]
        found = [stream]
        for layer in self.layers:
            stream = layer(stream)
            found.append(stream)
        return found

    def forward(self, mel: Tensor) -> Tensor:
        """Return the statistics."""
        found = self.states(mel)
        means = [state.mean(dim=1) for state in found]
        deviations = [((state - state.mean(dim=1, keepdim=True)).square().mean(dim=1) + _EPS).sqrt() for state in found]
        return torch.cat([*means, *deviations], dim=-1)


class FixedNorm(nn.BatchNorm1d):
    """Standardises with the mean and variance it was given, in training too; a batch's own are never used.

    What is standardised means the same to whoever keeps it, such as a speaker's baseline, whatever batch it came in.
    """

    def load_moments(self, mean: Tensor, variance: Tensor) -> None:
        """Take the mean and variance ``(features,)`` of what is to be standardised."""
        self.load_state_dict({**self.state_dict(), "running_mean": mean, "running_var": variance})

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``(batch, features)`` standardised."""
        return functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class VoiceHead(nn.Module):
    """From an encoder's statistics to an embedding and logits, told against the speaker's own baseline.

    Args:
        statistics: how many the encoder gives.
        classes: of the logits.
        dim: of the embedding.
        dropout: before both linear layers.
        detached_head: see :class:`models.networks.extractor.EmotionExtractor`.
        baseline: how many standardised statistics a speaker's baseline is kept of; 0: the branch has not learned what
            that is, and hears everybody as a stranger. Of one that has, the embedding ends in the scores of
            :meth:`Baseline.usual`, one for each class, and their negatives, so that rectifying it loses none; to the
            scores its linear layers add what is not that simple.

    Shape:
        input standardised statistics ``(batch, baseline)`` as :meth:`standardised` returns them, the speaker's offset
        of the same shape (:meth:`models.speaker_baseline.SpeakerBaseline.offset`), and ``(batch, 1)``, the number of
        utterances that it rests on; output embedding ``(batch, dim)`` and logits ``(batch, classes)``.
    """

    def __init__(
        self,
        statistics: int,
        classes: int,
        dim: int = EMBEDDING_DIM,
        dropout: float = 0.0,
        *,
        detached_head: bool = False,
        baseline: int = 0,
    ) -> None:
        super().__init__()
        self.detached_head = detached_head
        self.norm = FixedNorm(statistics)
        self.dropout = nn.Dropout(dropout)
        width = dim - 2 * classes if baseline else dim
        self.projector = nn.Linear(baseline or statistics, width)
        self.head = nn.Linear(width, classes)
        self.baseline = Baseline(statistics, baseline, classes) if baseline else None

    def standardised(self, statistics: Tensor) -> Tensor:
        """Return an encoder's statistics ``(batch, statistics)`` around 0, as a speaker's baseline is kept of them."""
        found: Tensor = self.norm(statistics)
        return found if self.baseline is None else self.baseline.rotated(found)

    def forward(
        self, statistics: Tensor, offset: Tensor | None = None, count: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return ``(embedding, logits)``; without an offset, as of a speaker who has said nothing before."""
        if self.baseline is None:
            embedding: Tensor = self.projector(self.dropout(statistics))
        else:
            # Zeros like a column of it: exporters would take a number of rows for that of every batch.
            known = torch.zeros_like(statistics[:, :1]) if count is None else count
            own = statistics if offset is None else statistics - offset
            spread = self.baseline.spread(known)
            told = own / spread
            usual = self.baseline.usual(told, spread)
            embedding = torch.cat([self.projector(self.dropout(told)), usual, -usual], dim=-1)
        return embedding, self.classify(embedding.detach() if self.detached_head else embedding)

    def classify(self, embedding: Tensor) -> Tensor:
        """Return the logits of embeddings ``(batch, dim)``."""
        logits: Tensor = self.head(self.dropout(torch.relu(embedding[..., : self.head.in_features])))
        return logits if self.baseline is None else self.baseline.share * logits + self.usual(embedding)

    def usual(self, embedding: Tensor) -> Tensor:
        """Return the scores ``(batch, classes)`` in an embedding of a branch that has learned baselines."""
        return embedding[..., self.head.in_features : self.head.in_features + self.head.out_features]

    def last(self) -> nn.Linear:
        """Return the layer from rectified embeddings to logits: a copy, nothing is trained by it."""
        if self.baseline is None:
            return self.head
        weight, classes = self.head.weight.detach(), self.head.out_features
        own, kept = self.baseline.share * weight, torch.eye(classes, device=weight.device)
        joined = nn.Linear(self.head.in_features + 2 * classes, classes, device=weight.device).requires_grad_(False)
        joined.weight.copy_(torch.cat([own, kept, -kept], dim=1))
        joined.bias.copy_(self.baseline.share * self.head.bias.detach())
        return joined


class Baseline(nn.Module):
    """What a voice branch has learned of speakers' baselines, and what follows from it without any training.

    The standardised statistics are rotated to where what varies within speakers and what varies between them are
    independent of each other and from one statistic to the next, the former with a variance of 1.

    Attributes:
        rotation: ``(kept, statistics)``, of which the strongest are kept.
        deviations: ``(classes, kept)``, how the rotated statistics of each emotion differ from their mean.
        weights: ``(kept,)``, the utterances that the mean of all speakers weighs as much as.
        share: how much what the linear layers say counts beside :meth:`usual`: they fit the training's speakers closer.
    """

    def __init__(self, statistics: int, kept: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("rotation", torch.zeros(kept, statistics))
        self.register_buffer("deviations", torch.zeros(classes, kept))
        self.register_buffer("weights", torch.ones(kept))
        self.rotation: Tensor
        self.deviations: Tensor
        self.weights: Tensor
        self.register_buffer("share", torch.tensor(1.0))
        self.share: Tensor

    def rotated(self, statistics: Tensor) -> Tensor:
        """Return ``(batch, kept)`` of standardised statistics ``(batch, statistics)``."""
        return functional.linear(statistics, self.rotation)

    def spread(self, count: Tensor) -> Tensor:
        """Return ``(batch, kept)``, the deviation of statistics less an offset that rests on ``(batch, 1)`` utterances.

        Within one speaker it is 1; as long as the offset is not sure, something of what speakers differ by is left.
        """
        return (1 + 1 / (self.weights + count)).sqrt()

    def usual(self, told: Tensor, spread: Tensor) -> Tensor:
        """Return ``(batch, classes)``, how near statistics are to what each emotion usually adds.

        They are the log-likelihoods of a linear discriminant whose covariance shrinks as the speaker gets known, up
        to what is the same for all classes. Both inputs are ``(batch, kept)``; ``told`` is divided by the spread.
        """
        pulls = functional.linear(told / spread, self.deviations)
        norms = functional.linear(1 / spread.square(), self.deviations.square())
        return _SHARPNESS * (pulls - norms / 2)

    def load(self, rotation: Tensor, deviations: Tensor, weights: Tensor, share: float = 1.0) -> None:
        """Take what the class's attributes say, of the training data."""
        self.load_state_dict(
            {"rotation": rotation, "deviations": deviations, "weights": weights, "share": torch.tensor(share)}
        )

    def reference(self) -> BaselineReference:
        """Return what speakers' baselines are kept with."""
        return BaselineReference(self.deviations.cpu().numpy(), self.weights.cpu().numpy())


class VoiceExtractor(nn.Module):
    """The whole voice branch.

    Shape:
        input ``(batch, 80, columns)`` as :func:`models.media.spectrogram.whisper_mel` makes it, and a speaker's offset
        and its count as :class:`VoiceHead` takes them; output embedding ``(batch, dim)`` and logits
        ``(batch, classes)``.
    """

    def __init__(self, encoder: SpeechEncoder, head: VoiceHead) -> None:
        super().__init__()
        self.encoder, self.voice = encoder, head

    @classmethod
    def untrained(cls, classes: int, dim: int = EMBEDDING_DIM, *, baseline: int = 0) -> "VoiceExtractor":
        """Return the network without its weights, to be loaded."""
        encoder = SpeechEncoder()
        return cls(encoder, VoiceHead(encoder.dim, classes, dim, baseline=baseline))

    def forward(
        self, images: Tensor, offset: Tensor | None = None, count: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return ``(embedding, logits)``; without an offset, as of a speaker who has said nothing before."""
        outputs: tuple[Tensor, Tensor] = self.voice(self.statistics(images), offset, count)
        return outputs

    def statistics(self, images: Tensor) -> Tensor:
        """Return the standardised statistics ``(batch, statistics)``: what the head takes and a baseline is kept of."""
        return self.voice.standardised(self.encoder(images))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return the logits of embeddings ``(batch, dim)``."""
        return self.voice.classify(embedding)


def learned_baseline(audio: nn.Module | None) -> Baseline | None:
    """Return what a voice branch has learned of speakers' baselines; None: nothing, or it is of another kind."""
    return audio.voice.baseline if isinstance(audio, VoiceExtractor) else None


class StatisticsToo(nn.Module):
    """A voice branch that also gives what a speaker's baseline is kept of.

    Shape:
        input as :class:`VoiceExtractor`'s images; output its embedding and logits, as of a speaker who has said nothing
        before, and the standardised statistics ``(batch, statistics)``.
    """

    def __init__(self, branch: VoiceExtractor) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``(embedding, logits, statistics)``."""
        statistics = self.branch.statistics(images)
        return *self.branch.voice(statistics), statistics


_CONVOLUTIONS: Final = {"listen": "conv1", "halve": "conv2"}
_NORMS: Final = {"attention_norm": "self_attention/layer_norm", "feed_forward_norm": "ffn/layer_norm"}
_LINEARS: Final = {
    "query_key_value": "self_attention/linear_0",
    "out": "self_attention/linear_1",
    "expand": "ffn/linear_0",
    "shrink": "ffn/linear_1",
}


def load_whisper_encoder(folder: Path) -> SpeechEncoder:
    """Return the encoder of a Whisper tiny model that is kept in CTranslate2's format, weights not quantised.

    Raises:
        WeightsError: the file can't be read.
        RuntimeError: it holds a model of another size.
    """
    stored = {name.removeprefix("encoder/"): tensor for name, tensor in read_weights(folder / "model.bin").items()}
    encoder = SpeechEncoder()
    state = {"positions": stored["position_encodings/encodings"]}
    for ours, theirs in _CONVOLUTIONS.items():
        state |= {f"{ours}.{part}": stored[f"{theirs}/{part}"] for part in ("weight", "bias")}
    for index in range(encoder.config.layers):
        for ours, theirs in _LINEARS.items():
            state |= {
                f"layers.{index}.{ours}.{part}": stored[f"layer_{index}/{theirs}/{part}"] for part in ("weight", "bias")
            }
        for ours, theirs in _NORMS.items():
            state[f"layers.{index}.{ours}.weight"] = stored[f"layer_{index}/{theirs}/gamma"]
            state[f"layers.{index}.{ours}.bias"] = stored[f"layer_{index}/{theirs}/beta"]
    encoder.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return encoder.eval().requires_grad_(False)
