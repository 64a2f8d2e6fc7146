"""From a stream's own time stamps to media time: what is believed of the stamps that the tracks of a source share.

Stamps lie: they start anywhere, jitter, are wrong now and then, jump when streams are joined or their sender restarts,
and are missing. A stamp that leads far from where its track has got to is believed only when what follows agrees with
it, or when the other track or the clock has got there too. A lead ahead is a gap then, up to a length that depends on
the kind of stream, and all else is a cut: the media goes on where it was, and the stamps count from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

REJOIN_MS: Final = 1000.0
PAUSE_MS: Final = 2000.0  # so long without anything, live, is time that has passed for the media too
MAX_OFFSETS: Final = 8

Direction = Literal["ahead", "back"]


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the stamps of a kind of stream are believed.

    Attributes:
        max_gap_ms: a longer way ahead that nothing else speaks for is a cut.
        confirm_ms: so much sound must follow a stray stamp and agree with it.
        indexed: stamps ascend, so that pieces far from each other agree too, and the last one is right.
        blindly: any way ahead is believed at once.
    """

    max_gap_ms: float
    confirm_ms: float = 0.0
    indexed: bool = False
    blindly: bool = False


# Where stamps may begin anew, 10 s is where FFmpeg's own programs draw the line (dts_delta_threshold). There one wrong
# stamp is spread over all sound of its packet, which is less than a second's.
BROADCAST: Final = Trust(max_gap_ms=10_000.0, confirm_ms=1_000.0)
"""Streams whose stamps may jump: MPEG transport and program streams, Ogg, whatever is live."""

PEER: Final = Trust(max_gap_ms=10_000.0)
"""Peers that stamp each piece by itself."""

RECORDING: Final = Trust(max_gap_ms=600_000.0, indexed=True)
"""Files with one time line that players seek in: MP4, Matroska; pauses of minutes are part of them."""

OWN_CLOCK: Final = Trust(max_gap_ms=float("inf"), blindly=True)
"""Stamps made by this machine itself."""


class Timeline:
    """The offsets from raw stamps to media time that were in force, the newest last, and how far the tracks are."""

    def __init__(
        self,
        origin_ms: float | None = None,
        start_ms: float = 0.0,
        *,
        trust: Trust = BROADCAST,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        """``origin_ms`` is the raw stamp that becomes ``start_ms``; None: the first stamp seen.

        ``now_ms``: the clock by which live media arrives, any steady one.
        """
        self.start_ms = start_ms
        self.trust = trust
        self.offsets: list[float] = [] if origin_ms is None else [start_ms - origin_ms]
        self.sought = False
        """Whether the stream was sought in, so that it may begin anywhere."""
        self.cut_ms = 0.0
        """How much time that the stamps led ahead was cut out."""
        self._now_ms = now_ms
        self._reached: dict[object, float] = {}
        self._strays: list[Direction] = []

    @property
    def now_ms(self) -> float | None:
        """Return the time of arrival, None where media is not live."""
        return None if self._now_ms is None else self._now_ms()

    def offset_for(self, raw_ms: float, expected_ms: float) -> float:
        """Return the offset for a stamp of a track that goes on at ``expected_ms``.

        Of those known, the one that puts the stamp within a second of there: so a track follows another that jumped
        before it, and goes back to where it was after a wrong stamp. Otherwise the newest.
        """
        if not self.offsets:
            self.offsets.append(self.start_ms - raw_ms)
        nearest = min(reversed(self.offsets), key=lambda offset: abs(raw_ms + offset - expected_ms))
        return nearest if abs(raw_ms + nearest - expected_ms) <= REJOIN_MS else self.offsets[-1]

    def cut(self, raw_ms: float, time_ms: float) -> None:
        """Let a raw stamp stand for ``time_ms`` from now on."""
        self.cut_ms += max(0.0, raw_ms + self.offsets[-1] - time_ms)
        self.offsets = [*self.offsets, time_ms - raw_ms][-MAX_OFFSETS:]

    def reach(self, track: object, time_ms: float) -> None:
        """Note how far a track is."""
        self._reached[track] = time_ms

    def others_ms(self, track: object) -> float | None:
        """Return how far the furthest of the other tracks is; None where there is none, or it has not begun."""
        return max((time for other, time in self._reached.items() if other is not track), default=None)

    def stray(self, direction: Direction) -> None:
        """Note a stamp, or several in a row, that were not believed."""
        self._strays.append(direction)

    def strays(self) -> list[Direction]:
        """Return what was noted since the last call."""
        found, self._strays = self._strays, []
        return found
