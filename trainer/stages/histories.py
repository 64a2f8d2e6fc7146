"""What a speaker said before an utterance: drawn by a seed, and heard as a session hears it, one after the other."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
import pydantic
import torch
from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from torch import Tensor

from models.labels import LABELS
from models.networks.calibration import probabilities
from models.networks.speech_encoder import VoiceHead
from models.speaker_baseline import BaselineReference, SpeakerBaseline
from trainer.fit.devices import device_of
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

Kind = Literal["any", "neutral", "alike"]
"""Which utterances a history is made of: any, the neutral ones, or those of one emotion."""
Share = Annotated[float, Field(ge=0, le=1)]

NEUTRAL: Final = LABELS[0]
AFTER: Final = 8
"""Utterances that a history has by which a branch is judged, where the speaker said as many."""
JUDGED: Final[dict[str, Kind]] = {"after_8": "any", "after_8_neutral": "neutral"}
"""What such histories are of, by what figures of them are called."""
_BATCH: Final = 1024


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HistorySettings:
    """The histories that a voice branch learns speakers' baselines with."""

    longest: PositiveInt = 12
    """Utterances; how many a history has is drawn evenly up to it."""
    none: Share = 0.2
    """The share of utterances that are a speaker's first."""
    neutral: Share = 0.25
    """The share of histories that have neutral utterances alone, which tell who speaks but not how they can be."""
    alike: Share = 0.15
    """The share of histories of a single emotion."""
    kept: PositiveInt = 512
    """How many statistics a baseline is kept of (:mod:`trainer.stages.speaker_model`)."""
    share: PositiveFloat = 0.6
    """How much what is trained counts beside what the model of speakers and emotions says by itself."""

    def draw(self, generator: np.random.Generator) -> tuple[int, Kind]:
        """Return how long a history is to be, and of what."""
        count = 0 if generator.random() < self.none else int(generator.integers(1, self.longest + 1))
        drawn = generator.random()
        if drawn < self.neutral:
            return count, "neutral"
        return count, "alike" if drawn < self.neutral + self.alike else "any"


class Histories:
    """Draws what speakers said before their clips: others of their own, in any order.

    Args:
        people: ``(n,)``, whose each clip is.
        labels: ``(n,)`` their emotions.
        classes: the names of the labels.
    """

    def __init__(self, people: Ints, labels: Ints, classes: Sequence[str]) -> None:
        self._labels = labels
        self._neutral = classes.index(NEUTRAL) if NEUTRAL in classes else None
        _, self._person = np.unique(people, return_inverse=True)
        order = np.argsort(self._person, kind="stable")
        self._clips = np.split(order, np.flatnonzero(np.diff(self._person[order])) + 1)

    def before(self, row: int, count: int, kind: Kind, generator: np.random.Generator) -> Ints:
        """Return the rows of at most ``count`` utterances, fewer where there are no more of the kind."""
        others = self._clips[self._person[row]]
        others = others[others != row]
        if kind != "any" and len(others):
            wanted = self._neutral if kind == "neutral" else self._labels[generator.choice(others)]
            others = others[self._labels[others] == wanted]
        return generator.permutation(others)[:count]

    def before_each(self, count: int, kind: Kind, seed: int) -> list[Ints]:
        """Return one history of every clip, drawn by the seed."""
        generator = np.random.default_rng(seed)
        return [self.before(row, count, kind, generator) for row in range(len(self._labels))]

    def judged(self) -> dict[str, list[Ints]]:
        """Return the histories of every clip by which a branch is judged, drawn by one seed, by :data:`JUDGED`."""
        return {name: self.before_each(AFTER, kind, seed=0) for name, kind in JUDGED.items()}


def baselines(
    histories: Sequence[Ints], statistics: Floats, said: Floats, reference: BaselineReference
) -> tuple[Floats, Floats]:
    """Return offsets ``(histories, dim)`` and counts ``(histories, 1)`` from what is known of earlier utterances.

    Args:
        histories: rows of the following two.
        statistics: ``(n, dim)``, standardised.
        said: ``(n, classes)`` probabilities.
        reference: of the branch.
    """
    sums = SpeakerBaseline(
        np.stack([statistics[rows].sum(axis=0) for rows in histories]),
        np.stack([said[rows].sum(axis=0) for rows in histories]),
        np.array([[float(len(rows))] for rows in histories], np.float32),
    )
    return sums.offset(reference), np.asarray(sums.count, np.float32)


def logits_after(
    head: VoiceHead, statistics: Floats, histories: Sequence[Ints], temperature: float = 1.0
) -> npt.NDArray[np.float32]:
    """Return the logits ``(n, classes)`` of clips after their histories, in which the branch answers for itself.

    Args:
        head: which has learned baselines.
        statistics: ``(n, dim)``, standardised.
        histories: of each clip, as rows of ``statistics``, the earliest first.
        temperature: what the branch's logits are divided by to give probabilities.
    """
    assert head.baseline is not None  # noqa: S101 - see above
    reference = head.baseline.reference()
    classes, dim = reference.deviations.shape
    sums, said = np.zeros((len(histories), dim), np.float32), np.zeros((len(histories), classes), np.float32)
    counts = np.zeros((len(histories), 1), np.float32)
    for place in range(max(map(len, histories), default=0)):
        rows = [row for row, history in enumerate(histories) if len(history) > place]
        heard = statistics[[histories[row][place] for row in rows]]
        before = SpeakerBaseline(sums[rows], said[rows], counts[rows])
        logits = voice_logits(head, heard, before.offset(reference), counts[rows])
        after = before.update(heard, probabilities(logits, temperature))
        sums[rows], said[rows], counts[rows] = after.statistics, after.probabilities, after.count
    offset = SpeakerBaseline(sums, said, counts).offset(reference)
    return voice_logits(head, statistics, offset, counts)


@torch.inference_mode()
def voice_logits(head: VoiceHead, *inputs: Floats) -> npt.NDArray[np.float32]:
    """Return what a head says of standardised statistics, offsets and counts, each ``(n, ...)``."""
    device = device_of(head)
    batches = zip(*(torch.split(torch.from_numpy(array), _BATCH) for array in inputs), strict=True)
    found: list[Tensor] = [head(*(part.to(device) for part in parts))[1].cpu() for parts in batches]
    return torch.cat(found).numpy()
