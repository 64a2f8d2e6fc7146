"""How fast a client may send: pure, times of arrival in, what to do with each message out.

Sound may come faster than it is spoken for a while, because a network that stalled delivers at once what it held
back. In the long run it may not, because it is analyzed no faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final, Literal

from serving.sessions.client_protocol import Action, Finish, Reject
from stream.media import SAMPLES_PER_MS
from stream.settings import ServerSettings
from wire.errors import ErrorCode
from wire.events import Error
from wire.media import HEADER, SAMPLE_TYPES, MediaKind

TELL_S: Final = 1.0
CALM_S: Final = 5.0  # so long without a message too many, and it is forgotten that there were some
SHORTEST_SOUND_MS: Final = 5.0  # a message costs time whatever it holds
FRAMES_BURST_S: Final = 10.0  # of frames only the newest matter: a client should not have held back more
MESSAGES_PER_S: Final = 10.0
MESSAGES_BURST: Final = 200.0


WARN_AT: Final = 0.8  # of the time without media


class IdleWatch:
    """Watches one client.

    Args:
        timeout_s: a client without media for so long is closed; 0: never.
        now_s: when it came.
    """

    def __init__(self, timeout_s: float, now_s: float) -> None:
        self._timeout_s = timeout_s
        self._media_at_s = now_s
        self._warned = False

    def media(self, now_s: float) -> None:
        """Note that media came."""
        self._media_at_s = now_s
        self._warned = False

    def idle_s(self, now_s: float) -> float:
        """Return how long there was no media."""
        return now_s - self._media_at_s

    def look_in_s(self, now_s: float) -> float | None:
        """Return how long nothing can come of looking; None: for ever."""
        if not self._timeout_s:
            return None
        share = 1.0 if self._warned else WARN_AT
        return max(0.0, self._media_at_s + share * self._timeout_s - now_s)

    def look(self, now_s: float) -> Literal["warn", "close"] | None:
        """Return what is due, each once."""
        idle_s = self.idle_s(now_s)
        if not self._timeout_s or idle_s < WARN_AT * self._timeout_s:
            return None
        if idle_s >= self._timeout_s:
            return "close"
        if self._warned:
            return None
        self._warned = True
        return "warn"


class TokenBucket:
    """Lets through ``rate`` units a second in the long run, and up to ``capacity`` at once; it starts full.

    In any stretch of time of ``t`` seconds it lets through at most ``capacity + rate * t``.
    """

    def __init__(self, rate: float, capacity: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._level = capacity
        self._at_s: float | None = None

    def take(self, amount: float, now_s: float) -> bool:
        """Return whether ``amount`` units may pass at a time of any clock; if not, nothing was taken."""
        last_s = now_s if self._at_s is None else self._at_s
        self._at_s = max(now_s, last_s)
        self._level = min(self._capacity, self._level + self._rate * (self._at_s - last_s))
        if amount > self._level:
            return False
        self._level -= amount
        return True


class Verdict(IntEnum):
    """What to do with a message."""

    PASS = auto()
    DROP = auto()
    DROP_AND_TELL = auto()
    CLOSE = auto()


class RateLimit:
    """Drops what is too much, says so once a second, and gives up on a sender who does not slow down.

    Args:
        patience_s: how long messages may be dropped, without a pause of :data:`CALM_S`, before it is enough.
    """

    def __init__(self, bucket: TokenBucket, patience_s: float) -> None:
        self.dropped = 0
        self._bucket = bucket
        self._patience_s = patience_s
        self._over_since_s = self._dropped_at_s = self._told_at_s = float("-inf")

    def check(self, amount: float, now_s: float) -> Verdict:
        """Return what to do with a message of so many units that comes at this time of any clock."""
        if self._bucket.take(amount, now_s):
            return Verdict.PASS
        self.dropped += 1
        if now_s - self._dropped_at_s > CALM_S:
            self._over_since_s = now_s
        self._dropped_at_s = now_s
        if now_s - self._over_since_s >= self._patience_s:
            return Verdict.CLOSE
        if now_s - self._told_at_s < TELL_S:
            return Verdict.DROP
        self._told_at_s = now_s
        return Verdict.DROP_AND_TELL


@dataclass(frozen=True)
class _LimitedKind:
    """One kind of message with its limit, and what is said of too many of them."""

    limit: RateLimit
    code: ErrorCode
    what: str
    allowed: str


class InputLimits:
    """All that limits how fast the client of one session may send."""

    def __init__(self, settings: ServerSettings) -> None:
        patience_s = settings.rate_patience_s
        rate, burst_s = settings.max_rate, settings.rate_burst_s
        frames = settings.max_frames_per_s
        self._closed = False
        self._sound = _LimitedKind(
            RateLimit(TokenBucket(1000 * rate, 1000 * burst_s), patience_s),
            ErrorCode.RATE_EXCEEDED,
            "pieces of sound",
            f"sound may come {rate:g} times as fast as it is spoken, and {burst_s:g} s of it at once",
        )
        self._frames = _LimitedKind(
            RateLimit(TokenBucket(frames, frames * FRAMES_BURST_S), patience_s),
            ErrorCode.FRAMES_TOO_MANY,
            "frames",
            f"send at most {frames:g} a second (server.max_frames_per_s)",
        )
        self._others = _LimitedKind(
            RateLimit(TokenBucket(MESSAGES_PER_S, MESSAGES_BURST), patience_s),
            ErrorCode.MESSAGES_TOO_MANY,
            "messages that are no media",
            f"send at most {MESSAGES_PER_S:g} a second",
        )

    def check(self, message: str | bytes, now_s: float) -> Sequence[Action] | None:
        """Return None if the message may be taken; otherwise what to do instead."""
        if self._closed:
            return []
        lane, amount = self._weigh(message)
        match lane.limit.check(amount, now_s):
            case Verdict.PASS:
                return None
            case Verdict.DROP:
                return []
            case Verdict.DROP_AND_TELL:
                text = f"{lane.limit.dropped} {lane.what} were dropped so far: {lane.allowed}"
                return [Reject(Error(code=lane.code, message=text, fatal=False))]
            case Verdict.CLOSE:
                self._closed = True
                text = f"{lane.limit.dropped} {lane.what} too many, without an end: {lane.allowed}"
                return [Reject(Error(code=lane.code, message=text, fatal=True)), Finish("rate")]

    def _weigh(self, message: str | bytes) -> tuple[_LimitedKind, float]:
        """Return what a message counts as, and how much, by its first byte and its length: it is not parsed yet."""
        if isinstance(message, str) or not message or message[0] not in set(MediaKind):
            return self._others, 1
        kind = MediaKind(message[0])
        if kind is MediaKind.JPEG:
            return self._frames, 1
        samples = (len(message) - HEADER.size) / SAMPLE_TYPES[kind].itemsize
        return self._sound, max(samples / SAMPLES_PER_MS, SHORTEST_SOUND_MS)
