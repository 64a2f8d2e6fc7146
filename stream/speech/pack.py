"""Stretches of speech laid one after the other into one window of the recogniser, and their words told apart again.

Pure. Whisper's work is that of its window, so a window that holds several stretches costs each of them less.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from stream.media import SAMPLES_PER_MS, Samples
from stream.speech.sound import Sound
from stream.speech.transcript import Word

GAP_MS: Final = 500
"""Silence between two stretches: as much as ends an utterance, so that the model hears a pause."""


class Pack:
    """Sounds in the order of their times, at least one, each ``GAP_MS`` after the one before."""

    def __init__(self, sounds: Sequence[Sound]) -> None:
        self.sounds = tuple(sounds)
        starts_ms, at_ms = [], 0.0
        for sound in self.sounds:
            starts_ms.append(at_ms)
            at_ms += sound.duration_ms + GAP_MS
        self._starts_ms = starts_ms

    @cached_property
    def samples(self) -> Samples:
        """Return all of them as one sound, ``(n,)``."""
        gap = np.zeros(GAP_MS * SAMPLES_PER_MS, np.float32)
        pieces = [piece for sound in self.sounds for piece in (gap, sound.samples)]
        return np.concatenate(pieces[1:])

    def apart(self, words: Sequence[Word]) -> list[tuple[Word, ...]]:
        """Return the words of each sound in media time, given those of the whole, whose times count from its begin.

        A word belongs to the sound in which its middle lies, or which is nearest to it, and lies wholly within it.
        """
        found: list[list[Word]] = [[] for _ in self.sounds]
        for word in words:
            place = self._place((word.start_ms + word.end_ms) / 2)
            found[place].append(self._placed(word, place))
        return [tuple(each) for each in found]

    def _place(self, at_ms: float) -> int:
        return max(0, bisect_right(self._starts_ms, at_ms + GAP_MS / 2) - 1)

    def _placed(self, word: Word, place: int) -> Word:
        sound, begin_ms = self.sounds[place], self._starts_ms[place]
        start_ms, end_ms = (
            sound.start_ms + min(max(time_ms - begin_ms, 0.0), sound.duration_ms)
            for time_ms in (word.start_ms, word.end_ms)
        )
        return replace(word, start_ms=start_ms, end_ms=end_ms)


class Packer:
    """Collects sounds, in the order of their times, until no more fit into one window.

    Args:
        longest_ms: how long a pack may be, unless a single sound is longer; 0: each is alone.
        spread_ms: how far apart in media time its first begin and its last end may be.
    """

    def __init__(self, longest_ms: float, spread_ms: float) -> None:
        self._longest_ms, self._spread_ms = longest_ms, spread_ms
        self._held: list[Sound] = []

    @property
    def start_ms(self) -> float | None:
        """Return when the first that waits begins, None if none does."""
        return self._held[0].start_ms if self._held else None

    def add(self, sound: Sound) -> Pack | None:
        """Take the next sound; return the pack that it does not fit into any more, if there is one."""
        full = None if self._fits(sound) else self.rest()
        self._held.append(sound)
        return full

    def late(self, now_ms: float) -> Pack | None:
        """Return what waits once nothing that begins now would go along, if anything waits."""
        due = self._held and now_ms - self._held[0].start_ms > self._spread_ms
        return self.rest() if due else None

    def rest(self) -> Pack | None:
        """Return what waits, if anything does."""
        held, self._held = self._held, []
        return Pack(held) if held else None

    def _fits(self, sound: Sound) -> bool:
        if not self._held:
            return True
        length_ms = sum(each.duration_ms + GAP_MS for each in self._held) + sound.duration_ms
        return length_ms <= self._longest_ms and sound.end_ms - self._held[0].start_ms <= self._spread_ms
