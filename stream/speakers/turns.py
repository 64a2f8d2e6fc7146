"""Whose turn it is from window to window of speech: the likeliest sequence of speakers, who seldom change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of media time, in milliseconds, in which one speaker speaks."""

    start_ms: float
    end_ms: float
    speaker: int


def likeliest_speakers(alike: Floats, reluctance: float) -> Ints:
    """Return who speaks in each window, ``(windows,)``: the best path of a hidden Markov model (Viterbi, 1967).

    Args:
        alike: ``(windows, speakers)``, the cosine of each window's embedding with each speaker's.
        reluctance: how much more alike, summed over the windows of a turn, another must be to be heard in it.
    """
    score, before = alike[0].copy(), np.zeros(alike.shape, np.intp)
    for window in range(1, len(alike)):
        changed = score.max() - reluctance
        before[window] = np.where(score >= changed, np.arange(len(score)), score.argmax())
        score = np.maximum(score, changed) + alike[window]
    path = np.empty(len(alike), np.intp)
    path[-1] = score.argmax()
    for window in range(len(alike) - 1, 0, -1):
        path[window - 1] = before[window, path[window]]
    return path


def turns(middles_ms: Sequence[float], speakers: Ints, start_ms: float, end_ms: float) -> tuple[Turn, ...]:
    """Return the turns of a stretch of speech from the speakers of its windows, by the times of their middles.

    Between two windows of different speakers the turn changes half-way.
    """
    changes = [place for place in range(1, len(speakers)) if speakers[place] != speakers[place - 1]]
    bounds = [start_ms, *((middles_ms[place - 1] + middles_ms[place]) / 2 for place in changes), end_ms]
    whose = [int(speakers[place]) for place in (0, *changes)]
    return tuple(Turn(*turn) for turn in zip(bounds[:-1], bounds[1:], whose, strict=True))
