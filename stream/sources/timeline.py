"""From a stream's own time stamps to media time: from 0, never backward, sound without cracks.

Stamps lie: they start anywhere, jitter, jump back when a stream is joined or its sender restarts, and are missing.
The tracks of one source share a :class:`Timeline`, so that after a jump back they stay in sync with each other.
"""

from typing import Final

from stream.media import SAMPLES_PER_MS

TOLERANCE_MS: Final = 100.0
REJOIN_MS: Final = 1000.0
MAX_OFFSETS: Final = 8


class Timeline:
    """The offsets from raw stamps to media time that were in force, the newest last."""

    def __init__(self, origin_ms: float | None = None, start_ms: float = 0.0) -> None:
        """``origin_ms`` is the raw stamp that becomes ``start_ms``; None: the first stamp seen."""
        self._start_ms = start_ms
        self.offsets: list[float] = [] if origin_ms is None else [start_ms - origin_ms]

    def offset_for(self, raw_ms: float, position_ms: float | None) -> float:
        """Return the offset for a stamp of a track that has got to ``position_ms`` (None: nowhere yet).

        Of those known, the one that puts the stamp within a second of there: so a track follows another that jumped
        back before it, and goes back to where it was after a single wrong stamp. Otherwise the newest, if that leads
        ahead: a gap. A stamp that leads backward begins a new one, in which the track goes on where it is.
        """
        if not self.offsets:
            self.offsets.append(self._start_ms - raw_ms)
        newest = self.offsets[-1]
        if position_ms is None:
            return newest
        nearest = min(reversed(self.offsets), key=lambda offset: abs(raw_ms + offset - position_ms))
        if abs(raw_ms + nearest - position_ms) <= REJOIN_MS:
            return nearest
        return newest if raw_ms + newest > position_ms else self._begin(position_ms - raw_ms)

    def _begin(self, offset: float) -> float:
        self.offsets = [*self.offsets, offset][-MAX_OFFSETS:]
        return offset


class AudioTrack:
    """Media time of successive pieces of sound: by their samples, corrected when the stamps say otherwise."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.position_ms: float | None = None

    def place(self, raw_ms: float | None, samples: int) -> float:
        """Return the media time of the first of ``samples`` samples stamped ``raw_ms``."""
        time_ms = self._time_of(raw_ms)
        self.position_ms = time_ms + samples / SAMPLES_PER_MS
        return time_ms

    def _time_of(self, raw_ms: float | None) -> float:
        position = self.position_ms
        if raw_ms is None:
            return position or 0.0
        time_ms = raw_ms + self._timeline.offset_for(raw_ms, position)
        if position is None:
            return max(0.0, time_ms)
        return time_ms if time_ms > position + TOLERANCE_MS else position


class VideoTrack:
    """Media time of successive pictures; ``interval_ms`` stands in for a stamp that is missing."""

    def __init__(self, timeline: Timeline, interval_ms: float) -> None:
        self._timeline = timeline
        self._interval_ms = interval_ms
        self.position_ms: float | None = None

    def place(self, raw_ms: float | None) -> float:
        """Return the media time of the next picture."""
        self.position_ms = self._time_of(raw_ms)
        return self.position_ms

    def _time_of(self, raw_ms: float | None) -> float:
        position = self.position_ms
        if raw_ms is None:
            return 0.0 if position is None else position + self._interval_ms
        return max(position or 0.0, raw_ms + self._timeline.offset_for(raw_ms, position))
