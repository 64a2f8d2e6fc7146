"""A speaker's own baseline: what a person is like when nothing is the matter, learned from what they said before. Pure.

Voices differ more from each other than one voice does from emotion to emotion. What somebody's earlier utterances were
like, less what their emotions explain of it, is the speaker's own: the offset that later utterances are told against.
A plain mean would take the mood of the history for the person. The offset is a best linear unbiased prediction
(Robinson, 1991) with the emotions as known effects: residuals, averaged with the mean of all speakers, which weighs as
much as a few utterances where speakers differ much, and as many where they hardly do. Nobody's first utterance has one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BaselineReference:
    """What a trained branch knows of all speakers together.

    Attributes:
        deviations: ``(classes, dim)``, how the statistics of each emotion differ from the mean of all, which is 0.
        weights: ``(dim,)``, the utterances that the mean of all speakers weighs as much as: how often the variance
            within speakers is that between them.
    """

    deviations: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class SpeakerBaseline:
    """What one speaker has said so far, as sums: how much that is does not grow with the time.

    Attributes:
        statistics: ``(..., dim)``, the sum of the standardised statistics of the earlier utterances.
        probabilities: ``(..., classes)``, the sum of what the branch itself said of them.
        count: how many there were, one number or ``(..., 1)``.

    Training makes many at once, with leading axes; a session has one for each speaker.
    """

    statistics: Floats
    probabilities: Floats
    count: int | Floats = 0

    @classmethod
    def unheard(cls, reference: BaselineReference) -> Self:
        """Return that of a speaker who has said nothing yet."""
        classes, dim = reference.deviations.shape
        return cls(np.zeros(dim), np.zeros(classes))

    def update(self, statistics: Floats, probabilities: Floats) -> Self:
        """Return the baseline after one more utterance.

        Args:
            statistics: ``(..., dim)``, standardised, of the utterance.
            probabilities: ``(..., classes)``, what the branch said of it.

        Raises:
            ValueError: they have other shapes than those before, or are not finite; the state would be lost for good.
        """
        for name, before, given in (
            ("statistics", self.statistics, statistics),
            ("probabilities", self.probabilities, probabilities),
        ):
            if before.shape != given.shape or not np.isfinite(given).all():
                message = f"{name} of an utterance must be finite and {before.shape}, not {given.shape}"
                raise ValueError(message)
        return type(self)(self.statistics + statistics, self.probabilities + probabilities, self.count + 1)

    def less(self, statistics: Floats, probabilities: Floats) -> Self:
        """Return the baseline without an utterance that it was updated with, and that was another speaker's."""
        return type(self)(self.statistics - statistics, self.probabilities - probabilities, self.count - 1)

    def offset(self, reference: BaselineReference) -> npt.NDArray[np.float32]:
        """Return ``(..., dim)``: what to take from the statistics of the next utterance; zeros before the first."""
        residuals = self.statistics - self.probabilities @ reference.deviations
        shrunk: npt.NDArray[np.float32] = (residuals / (self.count + reference.weights)).astype(np.float32)
        return shrunk
