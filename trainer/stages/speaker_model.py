"""How emotions and speakers change what is heard, told apart: what a voice branch knows before it is trained.

Statistics are what the emotion adds, what the speaker adds, and the rest. Where speakers differ they are not to be
believed: the model says by how much each direction varies within speakers and between them, as linear discriminant
analysis of voices does (Prince and Elder, 2007), with the emotions as known effects.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_OUTLIER: Final = 8.0  # deviations: what is further off is noise
_ROUNDS: Final = 6
_PRIOR: Final = 3.0  # utterances that the mean of all speakers weighs as much as, before it is known how many
_RIDGE: Final = 1e-3  # of the mean weight of a class, so that one that nobody has stays at nothing
_ISOTROPIC: Final = 0.35  # the share of a covariance that is the same in all directions (Ledoit and Wolf, 2004)
_LEAST_CLIPS: Final = 3  # of a speaker from whom something is learned about speakers
_BALANCE: Final = 0.7  # a corpus's speakers together weigh their number to the power 1 - this
_LEAST_SPREAD: Final = 1e-3  # of speakers, as a share of what varies within them


@dataclass(frozen=True, eq=False)
class SpeakerModel:
    """What :class:`models.networks.speech_encoder.Baseline` takes.

    Attributes:
        rotation: ``(kept, statistics)``.
        deviations: ``(classes, kept)``.
        weights: ``(kept,)``.
    """

    rotation: Tensor
    deviations: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class VoiceStatistics:
    """Standardised statistics ``(n, statistics)`` of clips, and what is known of each.

    Attributes:
        statistics: of the clips.
        targets: ``(n, classes)``, each row's sum 1.
        weights: ``(n,)``, how often they are drawn.
        people: ``(n,)``, whose they are.
        corpora: of what they are.
    """

    statistics: Tensor
    targets: Floats
    weights: npt.NDArray[np.float64]
    people: Ints
    corpora: list[str]


def speaker_model(voices: VoiceStatistics, kept: int, seed: int) -> SpeakerModel:
    """Return the model of the ``kept`` directions in which the statistics vary most.

    Of fewer clips or statistics than that, the directions that are missing say nothing.
    """
    statistics = voices.statistics.clamp(-_OUTLIER, _OUTLIER)
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    _, _, axes = torch.svd_lowrank(statistics, q=min(kept, *statistics.shape), niter=2)
    torch.random.set_rng_state(generator_state)
    parts = _told_apart(statistics @ axes, voices)
    within, between = _within(parts), _between(parts, voices)
    lower = torch.linalg.cholesky(within)
    halved = torch.linalg.solve_triangular(lower, between, upper=False)
    ratio = torch.linalg.solve_triangular(lower, halved.T, upper=False)
    spread, turned = torch.linalg.eigh((ratio + ratio.T) / 2)
    directions = torch.linalg.solve_triangular(lower.T, turned, upper=True)
    missing = kept - len(spread)
    return SpeakerModel(
        functional.pad((axes @ directions).T, (0, 0, 0, missing)),
        functional.pad(parts.deviations @ directions, (0, missing)),
        1 / functional.pad(spread, (0, missing)).clamp(min=_LEAST_SPREAD),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """What statistics are made of: ``deviations`` of each class, what each speaker adds, and the rest of each clip."""

    deviations: Tensor
    speakers: Tensor
    rest: Tensor
    person: Tensor
    counts: Tensor
    share: Tensor


def _told_apart(statistics: Tensor, voices: VoiceStatistics) -> _Parts:
    """Find what emotions and speakers add, in turn (backfitting); the deviations' mean over the classes is 0."""
    _, person, counts = (
        torch.from_numpy(found) for found in np.unique(voices.people, return_inverse=True, return_counts=True)
    )
    targets, share = torch.from_numpy(voices.targets), torch.from_numpy(voices.weights / voices.weights.sum()).float()
    weighted = (targets * share[:, None]).T
    system = weighted @ targets
    system += torch.eye(len(system)) * (_RIDGE * system.trace() / len(system))
    speakers = torch.zeros(len(counts), statistics.shape[1])
    deviations = torch.zeros(targets.shape[1], statistics.shape[1])
    for _ in range(_ROUNDS):
        deviations = torch.linalg.solve(system, weighted @ (statistics - speakers[person]))
        deviations = deviations - deviations.mean(dim=0)
        sums = torch.zeros_like(speakers).index_add_(0, person, statistics - targets @ deviations)
        speakers = sums / (counts[:, None] + _PRIOR)
    rest = statistics - targets @ deviations - speakers[person]
    return _Parts(deviations, speakers, rest, person, counts, share)


def _within(parts: _Parts) -> Tensor:
    """Return the covariance within speakers and emotions, a share of it the same in all directions."""
    found = (parts.rest * parts.share[:, None]).T @ parts.rest
    return (1 - _ISOTROPIC) * found + _ISOTROPIC * found.diagonal().mean() * torch.eye(len(found))


def _between(parts: _Parts, voices: VoiceStatistics) -> Tensor:
    """Return the covariance between speakers, less what comes from hearing only some clips of each."""
    first = torch.from_numpy(np.unique(voices.people, return_index=True)[1])
    corpora = [voices.corpora[row] for row in first.tolist()]
    chosen = parts.counts >= min(_LEAST_CLIPS, int(parts.counts.max()))
    sizes = {
        name: sum(one == name for one, there in zip(corpora, chosen.tolist(), strict=True) if there) for name in corpora
    }
    share = torch.tensor([max(1, sizes[name]) ** -_BALANCE for name in corpora])[chosen]
    share = share / share.sum()
    counts = parts.counts[chosen]
    own = parts.speakers[chosen] * ((counts + _PRIOR) / counts)[:, None]
    heard = (share / counts).sum()
    return (own * share[:, None]).T @ own - heard * _within(parts)
