"""Choosing among several sound tracks, as recording programs and films have them: the first in which there is sound."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.media.resample import is_audible
from stream.media import SAMPLES_PER_MS, AudioChunk

PATIENCE_MS: Final = 2_000.0
"""How much later the first track may begin to sound than another, and still be the one: films have many languages."""

_STORED_APART_MS: Final = 2 * PATIENCE_MS  # a track that is further behind the others has nothing there


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """Which sound of a source is taken.

    Attributes:
        track: its number, from 1; 0: the first in which there is sound.
        channel: the only channel of it, from 1; 0: all that can be heard.
    """

    track: int = 0
    channel: int = 0


ANY_SOUND: Final = SoundChoice()


class TrackChooser:
    """Passes on the sound of one of several tracks, and silence until it is known which.

    Tracks are numbered from 0 in the order of preference.
    """

    def __init__(self, count: int) -> None:
        self.chosen: int | None = None if count > 1 else 0
        """The track that is passed on; None: not known yet."""
        self._waiting: list[deque[AudioChunk]] = [deque() for _ in range(count)]
        self._reached_ms = [0.0] * count
        self._heard_ms: dict[int, float] = {}
        self._told_ms = 0.0

    def push(self, track: int, chunk: AudioChunk) -> Iterator[AudioChunk]:
        """Take the next sound of a track and yield what is known to be that of the one."""
        if self.chosen is not None:
            if track == self.chosen:
                yield chunk
            return
        self._waiting[track].append(chunk)
        self._reached_ms[track] = max(self._reached_ms[track], chunk.end_ms)
        if is_audible(chunk.samples):
            self._heard_ms.setdefault(track, chunk.time_ms)
        if self._is_clear():
            yield from self._decided()
        elif not self._heard_ms:
            yield from self._silence()

    def flush(self) -> Iterator[AudioChunk]:
        """Yield what is left, at the end."""
        if self.chosen is None:
            yield from self._decided()

    def _is_clear(self) -> bool:
        if not self._heard_ms or 0 in self._heard_ms:
            return bool(self._heard_ms)
        first_ms = min(self._heard_ms.values())
        late = max(self._reached_ms) > first_ms + PATIENCE_MS + _STORED_APART_MS
        return late or self._reached_ms[0] > first_ms + PATIENCE_MS

    def _decided(self) -> Iterator[AudioChunk]:
        first = min(self._heard_ms, key=lambda track: (self._heard_ms[track], track), default=0)
        self.chosen = 0 if 0 in self._heard_ms else first
        for chunk in self._waiting[self.chosen]:
            yield from _from(self._told_ms, chunk)
        self._waiting = []

    def _silence(self) -> Iterator[AudioChunk]:
        """Yield what the first track has up to where all are silent."""
        silent_ms = max(min(self._reached_ms), max(self._reached_ms) - _STORED_APART_MS)
        for track, waiting in enumerate(self._waiting):
            while waiting and waiting[0].end_ms <= silent_ms:
                chunk = waiting.popleft()
                if track == 0:
                    self._told_ms = chunk.end_ms
                    yield chunk


def _from(time_ms: float, chunk: AudioChunk) -> Iterator[AudioChunk]:
    """Yield what of a piece of sound lies after a time."""
    before = max(0, round((time_ms - chunk.time_ms) * SAMPLES_PER_MS))
    if before < len(chunk.samples):
        yield AudioChunk(chunk.time_ms + before / SAMPLES_PER_MS, chunk.samples[before:])
