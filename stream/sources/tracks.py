"""Placing the pieces of a stream in media time: from 0, never backward, sound without cracks.

The tracks of one source share a :class:`~stream.sources.timeline.Timeline`, so that after a jump they stay in sync.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from stream.media import SAMPLES_PER_MS, Samples
from stream.sources.drift import correction_ms, stretched
from stream.sources.timeline import PAUSE_MS, REJOIN_MS, Timeline

TOLERANCE_MS: Final = 100.0
LATE_FRAMES: Final = 2.5  # intervals after which the next frame is not just late
STORED_AHEAD_MS: Final = 2000.0  # by so much the frames of a file can be ahead of the sound of the same time

Piece = TypeVar("Piece")
Placed = tuple[float, Piece]


@dataclass(slots=True)
class _Run(Generic[Piece]):
    """Pieces in a row that agree with each other, but not with what came before; not placed yet.

    Attributes:
        raw_ms: the first one's stamp.
        next_raw_ms: the stamp that would follow on the last one.
        ahead: whether it leads ahead.
        offsets: those that were known when it began.
    """

    raw_ms: float
    next_raw_ms: float
    ahead: bool
    offsets: list[float]
    length_ms: float = 0.0
    pieces: list[tuple[float, Piece]] = field(default_factory=list)


class Track(ABC, Generic[Piece]):
    """Gives successive pieces their times; some are kept until those after them show whether their stamps are right."""

    def __init__(self, timeline: Timeline, *, tolerance_ms: float, confirm_ms: float, lead_ms: float) -> None:
        """``tolerance_ms``: a piece may come so much later than the one before it ends without a doubt.

        ``confirm_ms`` of pieces that agree show that a stray stamp is right, two at least. ``lead_ms``: what the other
        tracks have got to speaks for a stamp that leads further ahead than this.
        """
        self.position_ms: float | None = None
        """Where the next piece would follow on; None before the first."""
        self._timeline = timeline
        self._tolerance_ms, self._confirm_ms, self._lead_ms = tolerance_ms, confirm_ms, lead_ms
        self._run: _Run[Piece] | None = None
        self._arrived_ms = timeline.now_ms

    @abstractmethod
    def _length_ms(self, piece: Piece) -> float:
        """Return how long a piece lasts."""

    @abstractmethod
    def _agrees(self, raw_ms: float, next_raw_ms: float) -> bool:
        """Return whether a stamp follows on a run whose next one would be ``next_raw_ms``."""

    @abstractmethod
    def _fitted(self, time_ms: float, piece: Piece) -> Placed[Piece]:
        """Return a piece that its stamp puts at ``time_ms``, close to where it follows on, as it is to be placed."""

    @property
    @abstractmethod
    def _ended_ms(self) -> float:
        """Return where the last piece ended for sure."""

    @property
    def waits(self) -> bool:
        """Return whether something is kept."""
        return self._run is not None

    def place(self, raw_ms: float | None, piece: Piece) -> Iterator[Placed[Piece]]:
        """Yield with their times what is sure of the pieces so far, the next one of which is stamped ``raw_ms``."""
        elapsed_ms = self._elapsed_ms()
        yield from self.settle()
        yield from self._judge(raw_ms, piece, elapsed_ms)

    def _judge(self, raw_ms: float | None, piece: Piece, elapsed_ms: float) -> Iterator[Placed[Piece]]:
        run = self._run
        if run is not None:
            at = run.next_raw_ms if raw_ms is None else raw_ms
            if not self._fits(at, run.length_ms) and self._agrees(at, run.next_raw_ms):
                yield from self._extend(run, at, piece)
                return
            yield from self._give_up(run)
        if raw_ms is None:
            yield self._put(self._expected_ms, piece)
        elif self._fits(raw_ms) or (self.position_ms is None and self._timeline.sought):
            yield self._put_fitted(raw_ms, piece)
        else:
            yield from self._stray(raw_ms, piece, elapsed_ms)

    def settle(self) -> Iterator[Placed[Piece]]:
        """Yield what was kept, if meanwhile another track has shown what to think of it."""
        run = self._run
        if run is None:
            return
        if run.offsets is not self._timeline.offsets:
            self._run = None
            for raw_ms, piece in run.pieces:
                yield from self._judge(raw_ms, piece, 0.0)
        elif self._others_say(run.raw_ms):
            yield from self._believe(run)

    def flush(self) -> Iterator[Placed[Piece]]:
        """Yield what was kept, at the end or when nothing comes for long."""
        run = self._run
        if run is not None:
            yield from self._believe(run) if run.ahead and self._timeline.trust.indexed else self._give_up(run)

    # ------------------------------------------------------------------------- what a stamp says

    @property
    def _expected_ms(self) -> float:
        return self._timeline.start_ms if self.position_ms is None else self.position_ms

    @property
    def _goes_on_ms(self) -> float:
        """Return where the media goes on after a cut: where all tracks have ended."""
        others_ms = self._timeline.others_ms(self)
        return self._expected_ms if others_ms is None or others_ms < self._ended_ms else others_ms

    def _time_of(self, raw_ms: float) -> float:
        return raw_ms + self._timeline.offset_for(raw_ms, self._expected_ms)

    def _ahead_ms(self, raw_ms: float) -> float:
        return self._time_of(raw_ms) - self._expected_ms

    def _fits(self, raw_ms: float, after_ms: float = 0.0) -> bool:
        """Return whether a stamp is that of a piece that follows on, after others of this length."""
        expected_ms = self._expected_ms + after_ms
        ahead_ms = raw_ms + self._timeline.offset_for(raw_ms, expected_ms) - expected_ms
        return -REJOIN_MS <= ahead_ms <= self._tolerance_ms

    def _elapsed_ms(self) -> float:
        """Return how long ago the piece before came; 0 where media is not live."""
        before, self._arrived_ms = self._arrived_ms, self._timeline.now_ms
        return 0.0 if before is None or self._arrived_ms is None else self._arrived_ms - before

    def _others_say(self, raw_ms: float) -> bool:
        """Return whether another track, which has got as far, speaks for a stamp ahead."""
        others_ms = self._timeline.others_ms(self)
        ahead_ms = self._ahead_ms(raw_ms)
        return others_ms is not None and self._lead_ms < ahead_ms <= others_ms - self._expected_ms

    # ------------------------------------------------------------------------- stray stamps

    def _stray(self, raw_ms: float, piece: Piece, elapsed_ms: float) -> Iterator[Placed[Piece]]:
        ahead_ms = self._ahead_ms(raw_ms)
        time_has_passed = ahead_ms <= elapsed_ms + min(REJOIN_MS, ahead_ms / 2)
        if ahead_ms > 0 and (self._timeline.trust.blindly or time_has_passed or self._others_say(raw_ms)):
            yield self._put(self._time_of(raw_ms), piece)
        elif elapsed_ms > PAUSE_MS:
            # A sender that was away has begun anew: what its media lack is the time it was away.
            yield self._cut(raw_ms, self._expected_ms + elapsed_ms, piece)
        else:
            self._run = _Run(raw_ms, raw_ms, ahead_ms > 0, self._timeline.offsets)
            yield from self._extend(self._run, raw_ms, piece)

    def _extend(self, run: _Run[Piece], raw_ms: float, piece: Piece) -> Iterator[Placed[Piece]]:
        run.pieces.append((raw_ms, piece))
        run.length_ms += self._length_ms(piece)
        run.next_raw_ms = raw_ms + self._length_ms(piece)
        if len(run.pieces) > 1 and run.next_raw_ms - run.raw_ms >= self._confirm_ms:
            yield from self._believe(run)

    def _believe(self, run: _Run[Piece]) -> Iterator[Placed[Piece]]:
        """Place a run after a gap, or cut to it."""
        self._run = None
        for raw_ms, piece in run.pieces:
            ahead_ms = self._ahead_ms(raw_ms)
            if self._fits(raw_ms):
                yield self._put_fitted(raw_ms, piece)
            elif 0 < ahead_ms <= self._timeline.trust.max_gap_ms or self._others_say(raw_ms):
                yield self._put(self._time_of(raw_ms), piece)
            else:
                yield self._cut(raw_ms, self._goes_on_ms, piece)

    def _give_up(self, run: _Run[Piece]) -> Iterator[Placed[Piece]]:
        """Let a run follow on what came before: its stamps were wrong."""
        self._run = None
        self._timeline.stray("ahead" if run.ahead else "back")
        for _, piece in run.pieces:
            yield self._put(self._expected_ms, piece)

    # ------------------------------------------------------------------------- placing

    def _cut(self, raw_ms: float, time_ms: float, piece: Piece) -> Placed[Piece]:
        self._timeline.stray("ahead" if self._ahead_ms(raw_ms) > 0 else "back")
        self._timeline.cut(raw_ms, time_ms)
        return self._put(time_ms, piece)

    def _put_fitted(self, raw_ms: float, piece: Piece) -> Placed[Piece]:
        return self._put(*self._fitted(self._time_of(raw_ms), piece))

    def _put(self, time_ms: float, piece: Piece) -> Placed[Piece]:
        self.position_ms = time_ms + self._length_ms(piece)
        self._timeline.reach(self, self._ended_ms)
        return time_ms, piece


class AudioTrack(Track[Samples]):
    """Media time of successive pieces of sound: by their samples, held to what the stamps say."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(
            timeline, tolerance_ms=TOLERANCE_MS, confirm_ms=timeline.trust.confirm_ms, lead_ms=STORED_AHEAD_MS
        )
        self._last_raw_ms: float | None = None
        self._error_ms = 0.0

    def place(self, raw_ms: float | None, piece: Samples) -> Iterator[Placed[Samples]]:
        """Yield what is sure; sound that its stamps put elsewhere is stretched a little, until it is there."""
        # The same stamp once more says nothing: time does not stand still.
        stamp = None if raw_ms == self._last_raw_ms else raw_ms
        self._last_raw_ms = raw_ms
        return super().place(stamp, piece)

    def _length_ms(self, piece: Samples) -> float:
        return len(piece) / SAMPLES_PER_MS

    @property
    def _ended_ms(self) -> float:
        return self._expected_ms

    def _agrees(self, raw_ms: float, next_raw_ms: float) -> bool:
        late_ms = raw_ms - next_raw_ms
        return late_ms >= -TOLERANCE_MS if self._timeline.trust.indexed else abs(late_ms) <= REJOIN_MS

    def _fitted(self, time_ms: float, piece: Samples) -> Placed[Samples]:
        if self.position_ms is None:
            return max(self._timeline.start_ms, time_ms), piece
        before_ms, self._error_ms = self._error_ms, time_ms - self.position_ms
        by_ms = correction_ms((before_ms, self._error_ms), self._length_ms(piece))
        return self.position_ms, stretched(piece, by_ms)


class VideoTrack(Track[Piece]):
    """Media time of successive frames, in any form; ``interval_ms`` stands in for a stamp that is missing."""

    def __init__(self, timeline: Timeline, interval_ms: float) -> None:
        super().__init__(
            timeline, tolerance_ms=max(TOLERANCE_MS, LATE_FRAMES * interval_ms), confirm_ms=0.0, lead_ms=0.0
        )
        self._interval_ms = interval_ms
        self._latest_ms = 0.0

    def _length_ms(self, piece: Piece) -> float:  # noqa: ARG002 - a frame lasts until the next
        return self._interval_ms

    @property
    def _ended_ms(self) -> float:
        """Return when the last frame was; how long it was meant to be seen is not known."""
        return self._timeline.start_ms if self.position_ms is None else self._latest_ms

    def _agrees(self, raw_ms: float, next_raw_ms: float) -> bool:
        return raw_ms > next_raw_ms - self._interval_ms

    def _fitted(self, time_ms: float, piece: Piece) -> Placed[Piece]:
        return max(self._ended_ms, time_ms), piece

    def _put(self, time_ms: float, piece: Piece) -> Placed[Piece]:
        # Kept, because to add an interval and take it off again rounds.
        self._latest_ms = time_ms
        return super()._put(time_ms, piece)
