"""What the visual and the audio stage share: their settings, batches, losses and what is measured on dev."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar

import numpy as np
import pydantic
import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.networks.losses import (
    ExtractorLossWeights,
    Mining,
    TripletForm,
    embedding_loss,
    extractor_loss,
    masked_cross_entropy,
)
from trainer.fit.devices import channels_last
from trainer.fit.loop import FitSettings, one_group
from trainer.fit.metrics import Ints, Metrics
from trainer.fit.outputs import BranchOutput, Floats
from trainer.stages.mining import balanced_batches, mining_sample, offline_triplets
from trainer.stages.probes import Embedded, ProbeSettings, probe, subsample

TripletMining = Mining | Literal["offline"]
Network = TypeVar("Network", bound=nn.Module)

PAPER_RATE: Final = 1e-4
PAPER_DECAY: Final = 1e-6
_log: Final = logging.getLogger(__name__)
_FEWEST: Final = 2  # rows that a variance needs


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ExtractorSettings:
    """Hyper-parameters that both extractors have."""

    fit: FitSettings
    batch: Annotated[int, Field(ge=2)]
    rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 5e-2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    classification_weight: NonNegativeFloat = 1.0
    """Weight of the head's cross-entropy. 0 trains the embedding by the metric losses alone; the head then learns
    from it without teaching it, and the checkpoint is to be chosen by ``knn`` or ``linear_probe``."""
    metric_weight: NonNegativeFloat = 0.02
    """Weight of the extractor's own losses (equation 14, which sum to about 20) beside cross-entropy."""
    loss_weights: ExtractorLossWeights = ExtractorLossWeights()
    triplet_form: TripletForm = "corrected"
    mining: TripletMining = "semi-hard"
    """Within the batch (all, semi-hard, hard), or offline over a larger sample, as FaceNet does: every batch then is
    made of triplets."""
    mining_sample: Annotated[int, Field(ge=4)] = 1800
    """Examples that are embedded to mine triplets offline."""
    mining_every: Annotated[int, Field(ge=0)] = 0
    """Steps after which triplets are mined offline anew; 0: once an epoch."""
    labels_per_batch: Annotated[int, Field(ge=0)] = 0
    """Draw each batch from so many labels, the same number of examples of each; 0 draws from all examples."""
    mixup: NonNegativeFloat = 0.0
    """Both parameters of the beta distribution that mixed images' shares are drawn from; 0 mixes none."""
    mixed: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of a batch's rows that ``mixup`` mixes; the metric losses see only the others."""
    probe: ProbeSettings = field(default_factory=ProbeSettings)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mining == "offline" and self.mixup:
            message = "triplets mined offline can't be mixed: set mixup=0, or mine in the batch"
            raise ValueError(message)
        if self.labels_per_batch * _FEWEST > self.batch:
            message = f"labels_per_batch={self.labels_per_batch} leaves no pairs in a batch of {self.batch}: lower it"
            raise ValueError(message)
        return self


def paper_fit(epochs: int) -> FitSettings:
    """Return the paper's loop: Adam at a constant rate; what it leaves open, the choice of a checkpoint, is k-NN."""
    return FitSettings(
        epochs=epochs, select="knn", optimizer="adam", schedule="constant", warmup=0.0, ema_decay=0.0, clip_norm=None
    )


@dataclass(frozen=True)
class ExtractorBatch:
    """A batch of an extractor's training.

    Attributes:
        images: ``(batch, ...)``, what the network is fed.
        labels: ``(batch,)``.
        mask: ``(batch, classes)``, 0 for labels that may be, far below for those that may not.
        partners: ``(batch,)`` the row each image is mixed with.
        shares: ``(batch,)`` how much of a mixed image is its own; 1: it is not mixed.
        triplets: ``(3, triplets)`` rows, mined offline; None: they are to be mined in the batch.
        targets: ``(batch, classes)``, what the head is to say, each row's sum 1; None: the labels alone.
    """

    images: Tensor
    labels: Tensor
    mask: Tensor
    partners: Tensor | None = None
    shares: Tensor | None = None
    triplets: Tensor | None = None
    targets: Tensor | None = None


def mix(batch: ExtractorBatch, alpha: float, mixed: float, generator: np.random.Generator) -> ExtractorBatch:
    """Blend some images with others of the batch (mixup, Zhang et al., 2018), each keeping the larger share.

    Args:
        batch: of images that are all of one size.
        alpha: both parameters of the beta distribution.
        mixed: the share of rows that are blended.
        generator: draws rows, partners and shares.
    """
    count = len(batch.labels)
    shares = np.ones(count, np.float32)
    rows = generator.permutation(count)[: round(mixed * count)]
    drawn = generator.beta(alpha, alpha, len(rows))
    shares[rows] = np.maximum(drawn, 1 - drawn)
    partners = torch.from_numpy(generator.permutation(count))
    own = torch.from_numpy(shares)
    factor = own.reshape(-1, *[1] * (batch.images.dim() - 1))
    images = factor * batch.images + (1 - factor) * batch.images[partners]
    return replace(batch, images=images, partners=partners, shares=own)


class ExtractorStage(ABC, Generic[Network]):
    """Cross-entropy on a linear head beside the paper's losses on the embedding, either of them alone too.

    What is heard or seen is the subclass's business: it turns rows of its training data into augmented images, and
    embeds training and dev examples as they are.

    Args:
        network: ``network(images) -> (embedding, logits)``.
        labels: ``(n,)`` of the training examples.
        dev_labels: of the dev examples.
        settings: of the stage.
        shared_labels: whether the labels of dev mean what those of training do. Where they do not, or no label of
            dev occurs in training, as with identities of others, the head can't be judged, and neighbours are looked
            for in dev.
        targets: ``(n, classes)``, what the head is to say of training examples where that is more than their labels.
    """

    name: str

    def __init__(
        self,
        network: Network,
        labels: Ints,
        dev_labels: Ints,
        settings: ExtractorSettings,
        *,
        shared_labels: bool,
        targets: Floats | None = None,
    ) -> None:
        self.network, self.model = network, channels_last(network)
        self.labels, self.dev_labels, self.settings, self.targets = labels, dev_labels, settings, targets
        self.shared_labels = shared_labels and bool(np.isin(dev_labels, labels).any())

    @property
    def branch(self) -> nn.Module:
        """Return the network as a bundle has it, with what of it is not trained."""
        return self.network

    @abstractmethod
    def images(self, rows: Ints, epoch: int, generator: np.random.Generator) -> Tensor:
        """Return the training examples' augmented images, what the network is fed."""

    @abstractmethod
    def masks(self, rows: Ints) -> Tensor:
        """Return ``(rows, classes)``, added to the logits of training examples."""

    @abstractmethod
    def train_output(self, model: nn.Module, rows: Ints) -> BranchOutput:
        """Return what a model says of training examples as they are, not augmented."""

    @abstractmethod
    def dev_output(self, model: nn.Module) -> BranchOutput:
        """Return what a model says of all dev examples."""

    @abstractmethod
    def head_metrics(self, logits: Floats) -> Metrics:
        """Return the dev metrics of the head."""

    def draw(self, generator: np.random.Generator) -> Ints:
        """Return the training rows ``(steps, batch)`` of one epoch where batches are not balanced over labels."""
        return generator.permutation(len(self.labels))[: self.steps() * self.settings.batch].reshape(
            -1, self.settings.batch
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return one_group(self.model, self.settings.rate, self.settings.weight_decay)

    def steps(self) -> int:
        """Return the whole batches of one pass over the training examples."""
        return len(self.labels) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[ExtractorBatch]:
        """Yield augmented examples: drawn from all, balanced over labels, or as triplets mined offline.

        Raises:
            MiningError: there are too few labels for the batches asked for.
        """
        if self.settings.mining == "offline":
            yield from self._offline_batches(epoch, generator)
            return
        for rows in self._rows(generator):
            yield self._mixed(self._batch(rows, epoch, generator), generator)

    def _rows(self, generator: np.random.Generator) -> Ints:
        per_batch = self.settings.labels_per_batch
        if not per_batch:
            return self.draw(generator)
        return balanced_batches(self.labels, per_batch, self.settings.batch // per_batch, self.steps(), generator)

    def _batch(self, rows: Ints, epoch: int, generator: np.random.Generator) -> ExtractorBatch:
        images = self.images(rows, epoch, generator)
        targets = None if self.targets is None else torch.from_numpy(self.targets[rows])
        return ExtractorBatch(images, torch.from_numpy(self.labels[rows]), self.masks(rows), targets=targets)

    def _mixed(self, batch: ExtractorBatch, generator: np.random.Generator) -> ExtractorBatch:
        alpha, mixed = self.settings.mixup, self.settings.mixed
        return mix(batch, alpha, mixed, generator) if alpha else batch

    def _offline_batches(self, epoch: int, generator: np.random.Generator) -> Iterator[ExtractorBatch]:
        steps, size = self.steps(), max(1, self.settings.batch // 3)
        every = self.settings.mining_every or steps
        for first in range(0, steps, every):
            count = min(every, steps - first)
            mined = self._mine(count * size, generator)
            if not len(mined):
                _log.warning("%s: no semi-hard triplets in the sample: the batches are drawn at random", self.name)
                yield from (self._batch(rows, epoch, generator) for rows in self._rows(generator)[:count])
                continue
            places = torch.arange(3 * size).reshape(3, size)
            for triplets in mined.reshape(count, size, 3):
                yield replace(self._batch(triplets.T.reshape(-1), epoch, generator), triplets=places)

    def _mine(self, count: int, generator: np.random.Generator) -> Ints:
        """Return ``(count, 3)`` training rows, some of them twice where fewer were found, or none at all.

        How much randomness mining takes depends on the weights' last bits, so it has a generator of its own: several
        processes must go on with the same.
        """
        own = np.random.default_rng(generator.integers(2**63))
        sample = mining_sample(self.labels, self.settings.mining_sample, own)
        training = self.network.training
        triplets = offline_triplets(self.train_output(self.network, sample).embeddings, self.labels[sample], own)
        self.network.train(training)
        if not len(triplets):
            return triplets
        return sample[triplets[np.resize(own.permutation(len(triplets)), count)]]

    def loss(self, batch: ExtractorBatch) -> Tensor:
        """Return the weighted sum of cross-entropy and the extractor's losses."""
        embedding, logits = self.answer(batch.images)
        loss = (self.settings.classification_weight or 1.0) * self._classification(logits.float(), batch)
        if not self.settings.metric_weight:
            return loss
        return loss + self.settings.metric_weight * self._metric(embedding.float(), batch)

    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the model that is trained says, embedding and logits."""
        outputs: tuple[Tensor, Tensor] = self.model(images)
        return outputs

    def _classification(self, logits: Tensor, batch: ExtractorBatch) -> Tensor:
        smoothing, targets = self.settings.label_smoothing, batch.targets
        if targets is None:
            targets = functional.one_hot(batch.labels, logits.shape[1]).to(logits)
        own = masked_cross_entropy(logits, targets, batch.mask, smoothing, batch.shares)
        if batch.partners is None or batch.shares is None:
            return own
        others, mask = targets[batch.partners], batch.mask[batch.partners]
        return own + masked_cross_entropy(logits, others, mask, smoothing, 1 - batch.shares)

    def _metric(self, embedding: Tensor, batch: ExtractorBatch) -> Tensor:
        weights, form, mining = self.settings.loss_weights, self.settings.triplet_form, self.settings.mining
        if batch.triplets is not None:
            return embedding_loss(embedding, batch.triplets, weights, form)
        labels = batch.labels
        if batch.shares is not None:
            whole = batch.shares == 1
            embedding, labels = embedding[whole], labels[whole]
        if len(labels) < _FEWEST:
            return embedding.sum() * 0.0
        return extractor_loss(embedding, labels, weights, form, "semi-hard" if mining == "offline" else mining)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return the head's dev metrics, ``knn`` and ``linear_probe``.

        Raises:
            ProbeError: the embeddings are not finite, or too few to be judged.
        """
        output = self.dev_output(model)
        head = self.head_metrics(output.logits) if self.shared_labels else {}
        return {**head, **self._probed(model, output.embeddings)}

    def _probed(self, model: nn.Module, embeddings: Floats) -> Metrics:
        settings = self.settings.probe
        if not settings.enabled:
            return {}
        seed = self.settings.fit.seed
        chosen = subsample(len(self.dev_labels), settings.examples, seed)
        train = None
        if self.shared_labels and not settings.leave_one_out:
            rows = subsample(len(self.labels), settings.examples, seed)
            train = Embedded(self.train_output(model, rows).embeddings, self.labels[rows])
        return probe(Embedded(embeddings[chosen], self.dev_labels[chosen]), train, settings)
