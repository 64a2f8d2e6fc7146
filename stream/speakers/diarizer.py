"""Who speaks when on one microphone: the state of a session's diarization. Pure: no sound, no clock, no thread.

It is fed embeddings of short windows of speech. All that is remembered is clustered anew whenever that is asked for, so
later evidence moves what was said before to whom it belongs; who was somebody stays so under the same number.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.speakers.clustering import ClusteringRules, clustered
from stream.speakers.turns import Turn, likeliest_speakers, turns

Floats = npt.NDArray[np.floating]

_NOBODY: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class SpeechWindow:
    """A window of speech: media time in milliseconds, its embedding ``(dim,)`` of unit length, how much it weighs.

    ``narrow``: its sound has a telephone's band.
    """

    start_ms: float
    end_ms: float
    embedding: Floats
    weight: float
    narrow: bool = False

    @property
    def middle_ms(self) -> float:
        """Return the time of its middle."""
        return (self.start_ms + self.end_ms) / 2


@dataclass(slots=True, eq=False)
class _Speaker:
    """What is known of one: the weighted sum of embeddings of windows that are no longer remembered one by one."""

    total: Floats
    weight: float
    narrow: float = 0.0  # share of it
    enrolled: bool = False


class Diarizer:
    """Tells speakers apart by their voices; they are numbered from 0, those enrolled first.

    Args:
        rules: when voices are one person's; weights are in seconds.
        reluctance: see :func:`stream.speakers.turns.likeliest_speakers`.
        remembered: windows that are; older ones only count towards whom they were last found to be.
    """

    def __init__(self, rules: ClusteringRules, reluctance: float, remembered: int) -> None:
        self._rules, self._reluctance, self._remembered = rules, reluctance, remembered
        self._windows: deque[SpeechWindow] = deque()
        self._whose: list[int] = []
        self._known: dict[int, _Speaker] = {}
        self._given = 0  # numbers
        self._voices: dict[int, Floats] = {}

    @property
    def speakers(self) -> tuple[int, ...]:
        """Return the numbers of those who were heard or enrolled, in the order of the numbers."""
        return tuple(sorted(self._voices))

    def enrol(self, embeddings: Floats, weight: float) -> int:
        """Add a person whose voice is known, ``(windows, dim)``, each of so much weight; return its number."""
        number, self._given = self._given, self._given + 1
        total = np.asarray(embeddings, np.float64).sum(axis=0) * weight
        self._known[number] = _Speaker(total, len(embeddings) * weight, enrolled=True)
        self._voices[number] = _unit(total)
        return number

    def add(self, window: SpeechWindow) -> None:
        """Take the next window, in the order of their times."""
        self._windows.append(window)
        self._whose.append(_NOBODY)
        if len(self._windows) > self._remembered:
            self.settle()
            self._forget(len(self._windows) // 2)

    def settle(self) -> None:
        """Find anew whose the windows are, of all that is remembered."""
        if not self._windows:
            return
        known = sorted(self._known, key=lambda number: (not self._known[number].enrolled, number))
        enrolled = sum(speaker.enrolled for speaker in self._known.values())
        sums = [self._known[number].total for number in known] + [w.embedding * w.weight for w in self._windows]
        weights = [self._known[number].weight for number in known] + [w.weight for w in self._windows]
        narrow = [self._known[number].narrow for number in known] + [float(w.narrow) for w in self._windows]
        labels = clustered(np.stack(sums), np.array(weights), self._rules, enrolled, np.array(narrow))
        numbers = self._numbers(labels, np.array([*known, *self._whose]), np.array(weights))
        found = [numbers[label] for label in labels]
        self._merge_known(known, found)
        self._whose = found[len(known) :]
        totals = {number: np.zeros(len(sums[0])) for number in found}
        for number, total in zip(found, sums, strict=True):
            totals[number] += total
        self._voices = {number: _unit(total) for number, total in totals.items()}

    def speaker(self, start_ms: float, end_ms: float) -> int | None:
        """Return who speaks from one time to another, by all windows there together; None: nothing was heard."""
        heard = [window.embedding * window.weight for window in self._between(start_ms, end_ms)]
        if not heard or not self._voices:
            return None
        mean = np.sum(heard, axis=0)
        return max(self._voices, key=lambda number: float(self._voices[number] @ mean))

    def turns(self, start_ms: float, end_ms: float) -> tuple[Turn, ...]:
        """Return whose turns there are from one time to another; none where nothing was heard."""
        heard = self._between(start_ms, end_ms)
        if not heard or not self._voices:
            return ()
        numbers = self.speakers
        alike = np.stack([w.embedding for w in heard]) @ np.stack([self._voices[number] for number in numbers]).T
        path = likeliest_speakers(alike, self._reluctance)
        middles = [window.middle_ms for window in heard]
        return turns(middles, np.array(numbers)[path], start_ms, end_ms)

    def _between(self, start_ms: float, end_ms: float) -> list[SpeechWindow]:
        return [window for window in self._windows if start_ms <= window.middle_ms < end_ms]

    def _numbers(self, labels: npt.NDArray[np.intp], before: npt.NDArray[np.intp], weights: Floats) -> dict[int, int]:
        """Return each cluster's number: that of whom most of it was before, if nobody has more of them, else a new."""
        shares = {
            (int(label), int(number)): float(weights[(labels == label) & (before == number)].sum())
            for label, number in set(zip(labels.tolist(), before.tolist(), strict=True))
            if number != _NOBODY
        }
        fixed = [pair for pair in shares if pair[1] in self._known and self._known[pair[1]].enrolled]
        numbers: dict[int, int] = {}
        for label, number in (*fixed, *sorted(shares, key=lambda pair: (-shares[pair], pair))):
            if label not in numbers and number not in numbers.values():
                numbers[label] = number
        for label in dict.fromkeys(labels.tolist()):
            if label not in numbers:
                numbers[label], self._given = self._given, self._given + 1
        return numbers

    def _merge_known(self, known: Iterable[int], found: Iterable[int]) -> None:
        merged: dict[int, _Speaker] = {}
        for before, now in zip(known, found, strict=False):
            speaker, into = self._known[before], merged.get(now)
            merged[now] = speaker if into is None else _joined(into, speaker)
        self._known = merged

    def _forget(self, count: int) -> None:
        """Remember the oldest windows no longer one by one."""
        for _ in range(count):
            window, whose = self._windows.popleft(), self._whose.pop(0)
            one = _Speaker(window.embedding * window.weight, window.weight, float(window.narrow))
            before = self._known.get(whose)
            self._known[whose] = one if before is None else _joined(before, one)


def _joined(one: _Speaker, other: _Speaker) -> _Speaker:
    weight = one.weight + other.weight
    narrow = (one.narrow * one.weight + other.narrow * other.weight) / weight
    return _Speaker(one.total + other.total, weight, narrow, one.enrolled or other.enrolled)


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), np.finfo(np.float64).tiny)
