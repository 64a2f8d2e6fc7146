"""Which of the faces in view speaks: pure, the motion of their mouths and the sound of an utterance in, a face out.

A jaw opens as the voice gets louder where its first formant lies, and lips move much while its spectrum changes much.
For each face both are compared with the sound over the utterance, from frame to frame: two correlations, of what is
left when slow changes are taken out, so that a mouth that only moves while somebody speaks is not yet a speaker's. How
much likelier they are where the face is the speaker's than where it is another's was measured on few talkers
(``benchmarks/speaking_faces.py``); Bayes' rule makes of it how probable each face is, and that it is none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.media import AudioChunk
from stream.vision.mouth_motion import MouthMotion
from stream.vision.voice_bands import VoiceBands

Floats = npt.NDArray[np.float64]

LEAST_MOTIONS: Final = 8
"""Of a face of which fewer are known nothing can be told."""

_SURE: Final = 0.7  # so probable must it be which face speaks, or that none does
_ELSEWHERE: Final = 0.2  # how probable it is, before anything is known, that the speaker is not in view
_SLOW_MS: Final = 250.0  # deviation of the weights by which slow changes are taken out
_STILL: Final = 5e-4  # sides of a face; and powers of ten: what changes less does not change
_STEADY: Final = 0.05
_BOUND: Final = 0.99  # a correlation is never surer
_NOTHING: Final = 1e-12

TOGETHER_MS: Final = 20.0
"""How far sound and picture of one file are apart, as a deviation."""

APART_MS: Final = 60.0
"""How far those of a camera and a microphone are, each of which has its own delay."""

DELAYS_MS: Final = tuple(range(-120, 201, 40))
"""How much later than the picture the sound may come."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a correlation is like: of the speaker's own face, its mean and spread over people, and of other faces.

    The latter are Fisher's z times the root of the number of motions: about 1 in spread where there is no relation.
    """

    own: float
    own_spread: float
    others: float
    others_spread: float


_OPENING: Final = _Expected(own=0.60, own_spread=0.15, others=0.0, others_spread=1.3)
_AMOUNT: Final = _Expected(own=0.35, own_spread=0.12, others=0.35, others_spread=1.0)


@dataclass(frozen=True, slots=True)
class Speaking:
    """Which face speaks: its id, or ``nobody`` of those in view; neither where it can't be told."""

    face: int | None = None
    nobody: bool = False


UNTOLD: Final = Speaking()


def speaking_face(motions: Mapping[int, Sequence[MouthMotion]], sound: AudioChunk, spread_ms: float) -> Speaking:
    """Return which face speaks in an utterance.

    Args:
        motions: of each face in view, by its id, in the order of time.
        sound: of the utterance.
        spread_ms: how far sound and picture may be apart, as a deviation.
    """
    faces = list(motions)
    if not any(len(motions[face]) >= LEAST_MOTIONS for face in faces):
        return UNTOLD
    bands = VoiceBands(sound)
    evidence = np.array([_over_delays(motions[face], bands, spread_ms) for face in faces])
    probabilities = _posterior(evidence)
    best = int(np.argmax(probabilities))
    if probabilities[best] < _SURE:
        return UNTOLD
    return Speaking(nobody=True) if best == len(faces) else Speaking(faces[best])


def _posterior(evidence: Floats) -> Floats:
    """Return how probable each face is, and last that it is none, ``(faces + 1,)``, of the faces' log-ratios."""
    logs = np.append(evidence + np.log((1 - _ELSEWHERE) / len(evidence)), np.log(_ELSEWHERE))
    odds: Floats = np.exp(logs - np.logaddexp.reduce(logs))
    return odds


def _over_delays(motions: Sequence[MouthMotion], bands: VoiceBands, spread_ms: float) -> float:
    """Return how much likelier what is seen and heard is if the face speaks, as the logarithm of the ratio.

    It is the mean over all delays of the sound, each as probable as ``spread_ms`` makes it.
    """
    if len(motions) < LEAST_MOTIONS:
        return 0.0
    weights = -0.5 * (np.array(DELAYS_MS) / spread_ms) ** 2
    ratios = _log_ratios(motions, bands)
    return float(np.logaddexp.reduce(weights + ratios) - np.logaddexp.reduce(weights))


def _log_ratios(motions: Sequence[MouthMotion], bands: VoiceBands) -> Floats:
    """Return the same for each delay of the sound, ``(delays,)``."""
    start_ms, end_ms, opening, amount = (
        np.array([getattr(motion, name) for motion in motions]) for name in ("start_ms", "end_ms", "opening", "amount")
    )
    fine = _without_slow((start_ms + end_ms) / 2)
    voices = [bands.changes(start_ms + delay_ms, end_ms + delay_ms) for delay_ms in DELAYS_MS]
    louder = np.array([voice.opening for voice in voices])
    changing = np.log(np.array([voice.amount for voice in voices]) + _STEADY)
    opening_alike = _correlations(fine @ opening, louder @ fine.T)
    amount_alike = _correlations(fine @ np.log(amount + _STILL), changing @ fine.T)
    return _log_ratio(opening_alike, len(motions), _OPENING) + _log_ratio(amount_alike, len(motions), _AMOUNT)


def _without_slow(times_ms: Floats) -> Floats:
    """Return the matrix ``(n, n)`` that takes from values at some times the mean of those around each."""
    weights = np.exp(-0.5 * ((times_ms[:, None] - times_ms) / _SLOW_MS) ** 2)
    matrix: Floats = np.eye(len(times_ms)) - weights / weights.sum(axis=1, keepdims=True)
    return matrix


def _correlations(seen: Floats, heard: Floats) -> Floats:
    """Return how ``(n,)`` correlates with each of ``(delays, n)``; what does not change correlates with nothing."""
    seen, heard = seen - seen.mean(), heard - heard.mean(axis=1, keepdims=True)
    lengths = np.sqrt((seen**2).sum() * (heard**2).sum(axis=1))
    alike: Floats = heard @ seen / (lengths + _NOTHING)
    return alike


def _log_ratio(correlations: Floats, count: int, expected: _Expected) -> Floats:
    """Return the logarithm of how much likelier correlations of ``count`` motions are of the speaker's own face."""
    root = np.sqrt(count - 3)
    found = np.arctanh(np.clip(correlations, -_BOUND, _BOUND)) * root
    own = _log_density(found, np.arctanh(expected.own) * root, float(np.hypot(1.0, expected.own_spread * root)))
    return own - _log_density(found, expected.others, expected.others_spread)


def _log_density(values: Floats, mean: float, deviation: float) -> Floats:
    """Return the logarithm of a normal density, but for a constant."""
    logs: Floats = -0.5 * ((values - mean) / deviation) ** 2 - np.log(deviation)
    return logs
