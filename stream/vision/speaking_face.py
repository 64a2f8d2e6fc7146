"""Which of the faces in view speaks: pure, the motion of their mouths and the sound of an utterance in, a face out.

A jaw opens as the voice gets louder where its first formant lies, and lips move much while its spectrum changes much.
For each face both are compared with the sound over the utterance, from frame to frame: two correlations, of what is
left when slow changes are taken out, so that a mouth that only moves while somebody speaks is not yet a speaker's. How
much likelier they are where the face is the speaker's than where it is another's was measured on few talkers
(``benchmarks/speaking_faces.py``); Bayes' rule makes of it how probable each face is, and that it is none of them.
Before that, each face whose mouth moves is as probable as another, and one whose mouth hardly opens is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.media import AudioChunk
from stream.vision.delays import DELAYS_MS, Delays
from stream.vision.mouth_motion import MouthMotion
from stream.vision.voice_bands import VoiceBands

Floats = npt.NDArray[np.float64]

LEAST_MOTIONS: Final = 6
"""Of a face of which fewer are known nothing can be told."""

_SURE: Final = 0.7  # so probable must it be which face speaks, or that none does
_ELSEWHERE: Final = 0.2  # how probable it is, before anything is known, that the speaker is not in view
_SLOW_MS: Final = 250.0  # deviation of the weights by which slow changes are taken out
_STILL: Final = 5e-4  # sides of a face; and powers of ten: what changes less does not change
_STEADY: Final = 0.05
_BOUND: Final = 0.99  # a correlation is never surer
_NOTHING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Expected:
    """What a correlation is like: of the speaker's own face, its mean and spread over people, and of other faces.

    The latter are Fisher's z times the root of the number of motions: about 1 in spread where there is no relation.
    """

    own: float
    own_spread: float
    others: float
    others_spread: float


EXPECTED: Final = (
    Expected(own=0.60, own_spread=0.15, others=0.0, others_spread=1.3),
    Expected(own=0.35, own_spread=0.12, others=0.35, others_spread=1.0),
)
"""Of the correlations of :func:`correlations`, over five talkers; the spreads are wider than they were found."""

# How far a mouth that speaks opens or closes from one frame to the next, in sides of the face, and how far others do.
_OPENS: Final = 4.5e-3
_OPENS_WITHIN_MS: Final = 80.0  # in a shorter time less far
_OPENS_SPREAD: Final = 0.5  # of the logarithm
_OTHERS_OPEN: Final = 0.25  # of that
_OTHERS_SPREAD: Final = 0.75
_HARDLY: Final = -4.0  # the logarithm of how much less probable a mouth makes a face that does not open at all


@dataclass(frozen=True, slots=True)
class Speaking:
    """Which face speaks: its id, or ``nobody`` of those in view; neither where it can't be told."""

    face: int | None = None
    nobody: bool = False


UNTOLD: Final = Speaking()


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What an utterance tells of each face for each delay of the sound.

    Attributes:
        faces: their ids.
        moving: logarithms of how much less probable each is for a mouth that hardly opens, 0 for others, ``(faces,)``.
        ratios: logarithms of how much likelier it all is if the face speaks, ``(faces, delays)``.
    """

    faces: tuple[int, ...]
    moving: Floats
    ratios: Floats

    def speaking(self, delays: Delays) -> Speaking:
        """Return which face speaks, given what is believed of the delay."""
        if not (self.ratios.any() or self.moving.any()):
            return UNTOLD
        of_each = np.logaddexp.reduce(self._faces_or_none + delays.logs, axis=1)
        probabilities = np.exp(of_each - np.logaddexp.reduce(of_each))
        best = int(np.argmax(probabilities))
        if probabilities[best] < _SURE:
            return UNTOLD
        return Speaking(nobody=True) if best == len(self.faces) else Speaking(self.faces[best])

    @property
    def of_delays(self) -> Floats:
        """Return what it tells of each delay, whoever speaks, ``(delays,)`` logarithms."""
        logs: Floats = np.logaddexp.reduce(self._faces_or_none, axis=0)
        return logs

    @property
    def _faces_or_none(self) -> Floats:
        """Return the logarithms for each face, and last for none of them, ``(faces + 1, delays)``."""
        prior = np.log(1 - _ELSEWHERE) + self.moving - np.log(max(1.0, np.exp(self.moving).sum()))
        return np.vstack([self.ratios + prior[:, None], np.full((1, len(DELAYS_MS)), np.log(_ELSEWHERE))])


def evidence(
    motions: Mapping[int, Sequence[MouthMotion]], sound: AudioChunk, expected: Sequence[Expected] = EXPECTED
) -> Evidence:
    """Return what an utterance tells of who speaks.

    Args:
        motions: of each face in view, by its id, in the order of time.
        sound: of the utterance.
        expected: what each correlation is like.
    """
    moving, ratios = np.zeros(len(motions)), np.zeros((len(motions), len(DELAYS_MS)))
    enough = [(place, known) for place, known in enumerate(motions.values()) if len(known) >= LEAST_MOTIONS]
    if enough:
        bands = VoiceBands(sound)
        for place, known in enough:
            moving[place], ratios[place] = _moving(known), _ratios(known, bands, expected)
    return Evidence(tuple(motions), moving, ratios)


def _ratios(motions: Sequence[MouthMotion], bands: VoiceBands, expected: Sequence[Expected]) -> Floats:
    """Return for each delay the logarithm of how much likelier it all is if the face speaks, ``(delays,)``."""
    found = zip(correlations(motions, bands), expected, strict=True)
    ratios: Floats = np.sum([_log_ratio(each, len(motions), of) for each, of in found], axis=0)
    return ratios


def _moving(motions: Sequence[MouthMotion]) -> float:
    """Return the logarithm of how much less probable it makes a face that its mouth opens no further, at most 0."""
    usual = np.median([min(1.0, (motion.end_ms - motion.start_ms) / _OPENS_WITHIN_MS) for motion in motions]) * _OPENS
    opens = np.log(np.median([abs(motion.opening) for motion in motions]) / usual + _NOTHING)
    own = _log_density(opens, 0.0, _OPENS_SPREAD)
    return float(np.clip(own - _log_density(opens, np.log(_OTHERS_OPEN), _OTHERS_SPREAD), _HARDLY, 0.0))


def correlations(motions: Sequence[MouthMotion], bands: VoiceBands) -> Floats:
    """Return how a mouth's opening and its amount of motion correlate with the voice, ``(2, delays)``."""
    start_ms, end_ms, opening, amount = (
        np.array([getattr(motion, name) for motion in motions]) for name in ("start_ms", "end_ms", "opening", "amount")
    )
    fine = _without_slow((start_ms + end_ms) / 2)
    voices = [bands.changes(start_ms + delay_ms, end_ms + delay_ms) for delay_ms in DELAYS_MS]
    louder = np.array([voice.opening for voice in voices])
    changing = np.log(np.array([voice.amount for voice in voices]) + _STEADY)
    return np.stack(
        [
            _correlations(fine @ opening, louder @ fine.T),
            _correlations(fine @ np.log(amount + _STILL), changing @ fine.T),
        ]
    )


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


def _log_ratio(found: Floats, count: int, expected: Expected) -> Floats:
    """Return the logarithm of how much likelier correlations of ``count`` motions are of the speaker's own face."""
    root = np.sqrt(count - 3)
    values = np.arctanh(np.clip(found, -_BOUND, _BOUND)) * root
    own = _log_density(values, np.arctanh(expected.own) * root, float(np.hypot(1.0, expected.own_spread * root)))
    return own - _log_density(values, expected.others, expected.others_spread)


def _log_density(values: npt.ArrayLike, mean: float, deviation: float) -> Floats:
    """Return the logarithm of a normal density, but for a constant."""
    logs: Floats = -0.5 * ((np.asarray(values) - mean) / deviation) ** 2 - np.log(deviation)
    return logs
