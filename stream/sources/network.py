"""A stream at a network address: RTSP cameras, HTTP files and streams, RTMP, SRT, UDP."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Final, NoReturn

import av
from av.container import InputContainer

from models.media.containers import open_address
from models.user_error import UserError
from stream.media import AudioChunk, Media, SourceStatus
from stream.sources.base import LiveClock, Source
from stream.sources.decode import Decoder
from stream.sources.file import DEFAULT_MAX_FPS, describe
from stream.sources.interleave import interleave
from stream.sources.media_queue import Bounds
from stream.sources.pace import paced
from stream.sources.redact import redact_url
from stream.sources.sound_tracks import ANY_SOUND, SoundChoice
from wire.backoff import Backoff, Retry

SCHEMES: Final = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp"})
RECORDED: Final = frozenset({"http", "https"})
NETWORK_RETRY: Final = Retry(first_s=0.5, longest_s=15.0, attempts=8)
"""About a minute of attempts."""

REFUSALS: Final[tuple[tuple[type[av.FFmpegError], str, str], ...]] = (
    (av.HTTPUnauthorizedError, "unauthorized", "wants a user and password, or others: scheme://user:password@host/…"),
    (av.HTTPForbiddenError, "forbidden", "refuses access; check the user's rights"),
    (av.HTTPNotFoundError, "not_found", "does not have that path; check the address"),
    (av.InvalidDataError, "not_media", "sends something that is no media"),
    (av.ProtocolNotFoundError, "unsupported", "needs a protocol this FFmpeg is built without"),
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without an answer after which a connection counts as lost."""

    open_s: float = 10.0
    read_s: float = 5.0


class AddressError(UserError, ValueError):
    """What a user names as a source can't be one."""


class NetworkSource(Source):
    """The sound and frames at ``url``; a lost connection is made again with growing waits, then given up.

    A recording behind HTTP goes on where it was, at its own speed if ``realtime``, else as fast as it is read and
    without drops. Everything else is live: its time goes on while the connection is away. User, password and query
    of the address appear nowhere.
    """

    kind: ClassVar[str] = "network"

    def __init__(
        self,
        url: str,
        *,
        realtime: bool = True,
        max_fps: float = DEFAULT_MAX_FPS,
        sound: SoundChoice = ANY_SOUND,
        retry: Retry = NETWORK_RETRY,
        timeouts: Timeouts | None = None,
    ) -> None:
        """``url`` is of one of :data:`SCHEMES`.

        Raises:
            AddressError: it isn't.
        """
        scheme = url.partition("://")[0].lower()
        if scheme not in SCHEMES:
            message = f"{redact_url(url)}: unknown kind of address; use one of {', '.join(sorted(SCHEMES))}"
            raise AddressError(message)
        live = realtime or scheme not in RECORDED
        super().__init__(redact_url(url), live=live, bounds=Bounds(video_frames=max(1, round(2 * max_fps))))
        self._url = url
        self._scheme = scheme
        self._max_fps = max_fps
        self._sound = sound
        self._backoff = Backoff(retry)
        self._timeouts = timeouts or Timeouts()
        self._clock = LiveClock()
        self._position_ms = 0.0
        self._complete = False

    def _media(self) -> Generator[Media]:
        while True:
            before_ms = self._position_ms
            reason = yield from self._connection()
            if self._complete or self._stopping.is_set():
                return
            if self._position_ms > before_ms:
                self._backoff.reset()
            delay_s = self._backoff.next_s()
            if delay_s is None:
                self._give_up(reason)
            tries = f"{self._backoff.attempt} of {self._backoff.retry.attempts}"
            message = f"{self.name}: {reason}; trying again in {delay_s:.1f} s ({tries})"
            yield self._status("reconnecting", "reconnecting", message)
            if self._stopping.wait(delay_s):
                return

    def _connection(self) -> Generator[Media, None, str]:
        """Yield the media of one connection and return why it ended."""
        try:
            with self._open() as container:
                yield from self._received(container)
        except av.ExitError:
            return "no answer in time"
        except (av.FFmpegError, OSError) as error:
            self._raise_refusal(error)
            # Never str(error): it quotes the address.
            return error.strerror or type(error).__name__
        return "the connection ended"

    def _open(self) -> InputContainer:
        options = {"rtsp_transport": "tcp"} if self._url.lower().startswith("rtsp") else {}
        return open_address(self._url, options=options, open_s=self._timeouts.open_s, read_s=self._timeouts.read_s)

    def _received(self, container: InputContainer) -> Generator[Media]:
        recorded = self._scheme in RECORDED and container.duration is not None
        start_ms = 0.0 if recorded else max(self._position_ms, self._clock.stamp())
        decoder = Decoder(
            container,
            max_fps=self._max_fps,
            code=self.kind,
            name=self.name,
            sound=self._sound,
            start_ms=start_ms,
            now_ms=None if recorded else self._clock.stamp,
        )
        yield self._opened(f"{self.name}: {describe(decoder)}", has_sound=decoder.audio is not None)
        for item in self._recording(decoder) if recorded else decoder.media():
            self._note(item)
            yield item

    def _recording(self, decoder: Decoder) -> Generator[Media]:
        """Yield what comes after where the last connection broke off."""
        resumed_ms = self._position_ms
        decoder.seek(resumed_ms)
        media = interleave(_after(resumed_ms, decoder.media()))
        yield from paced(media, self._stopping) if self.live else media
        # A recording that gives nothing new when asked again has no more, whatever length it claims.
        self._complete = decoder.complete or 0 < resumed_ms == self._position_ms

    def _note(self, item: Media) -> None:
        if not isinstance(item, SourceStatus):
            end_ms = item.end_ms if isinstance(item, AudioChunk) else item.time_ms
            self._position_ms = max(self._position_ms, end_ms)

    def _raise_refusal(self, error: Exception) -> None:
        """Raise what no further attempt would change, unless it has worked before."""
        for refusal, what, message in REFUSALS:
            if isinstance(error, refusal) and not self._position_ms:
                self._fail(what, f"{self.name} {message}")

    def _give_up(self, reason: str) -> NoReturn:
        if self._position_ms:
            self._fail("lost", f"{self.name} is lost: {reason}; check it and the network, then start again")
        self._fail("unreachable", f"{self.name} can't be reached: {reason}; check the address and the network")


def _after(time_ms: float, media: Generator[Media]) -> Generator[Media]:
    """Yield ``media`` from ``time_ms`` on; statuses all."""
    return (item for item in media if isinstance(item, SourceStatus) or item.time_ms >= time_ms)
