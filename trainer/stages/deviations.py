"""How emotions change what is heard, told apart from who speaks: an additive model of both."""

from typing import Final

import numpy as np
import numpy.typing as npt

from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats

_ROUNDS: Final = 8
_SHRINKAGE: Final = 3.0  # utterances that the mean of all speakers weighs as much as
_RIDGE: Final = 1e-3  # of the mean weight of a class, so that one that nobody has stays at nothing


def class_deviations(
    statistics: Floats, targets: Floats, weights: npt.NDArray[np.float64], people: Ints
) -> npt.NDArray[np.float32]:
    """Return ``(classes, dim)``, what each emotion adds to the statistics of a speaker; the classes' mean is 0.

    Statistics are what the emotion adds, what the speaker adds, and the rest; both are found in turn (backfitting),
    the speakers' part shrunk as :class:`models.speaker_baseline.SpeakerBaseline` shrinks it.

    Args:
        statistics: ``(n, dim)``, standardised.
        targets: ``(n, classes)``, each row's sum 1.
        weights: ``(n,)``, of the clips.
        people: ``(n,)``, whose they are.
    """
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    weighted = (targets * (weights / weights.mean())[:, None]).astype(np.float32)
    system = weighted.T @ targets
    system += np.eye(len(system), dtype=np.float32) * (_RIDGE * np.trace(system) / len(system))
    own = np.zeros((len(counts), statistics.shape[1]), np.float32)
    deviations = np.zeros((targets.shape[1], statistics.shape[1]), np.float32)
    for _ in range(_ROUNDS):
        deviations = np.linalg.solve(system, weighted.T @ (statistics - own[person])).astype(np.float32)
        deviations -= deviations.mean(axis=0)
        residuals = statistics - targets @ deviations
        own[:] = 0
        np.add.at(own, person, residuals)
        own /= counts[:, None] + _SHRINKAGE
    return deviations
