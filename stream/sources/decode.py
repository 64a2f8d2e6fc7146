"""The sound and frames of an open PyAV container as media."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import av
from av.container import InputContainer
from av.format import Flags

from models.media.containers import stamp_ms, video_stream
from models.media.display import Display
from stream.media import Media, SourceStatus, VideoFrame
from stream.sources.base import SourceError
from stream.sources.pace import FrameLimiter
from stream.sources.sound_decoder import NoTrackError, SoundDecoder, tracks_of
from stream.sources.sound_tracks import ANY_SOUND, SoundChoice
from stream.sources.tally import StrayTimes, Tally
from stream.sources.timeline import BROADCAST, RECORDING, Timeline
from stream.sources.tracks import Placed, VideoTrack

DEFAULT_INTERVAL_MS: Final = 40.0
MAX_FAILED_READS: Final = 32
SHORT_BY_MS: Final = 500.0


class VideoDecoder:
    """The frames of one stream, at most ``max_fps`` a second; the others are not converted."""

    def __init__(self, stream: av.VideoStream, timeline: Timeline, max_fps: float) -> None:
        self.stream = stream
        self.streams = [stream]
        interval_ms = 1000 / float(stream.average_rate) if stream.average_rate else DEFAULT_INTERVAL_MS
        self._track: VideoTrack[av.VideoFrame] = VideoTrack(timeline, interval_ms)
        self._limiter = FrameLimiter(max_fps)
        self._display = Display(stream)

    @property
    def position_ms(self) -> float:
        """Return the media time decoded up to, that of the dropped frames included."""
        return self._track.position_ms or 0.0

    def decode(self, packet: "av.Packet[Any] | None") -> Iterator[VideoFrame]:
        """Yield what ``packet`` completes; None: what is still inside.

        Raises:
            av.FFmpegError: the packet is damaged; the next may be good.
        """
        for frame in self.stream.codec_context.decode(packet):
            yield from self._shown(self._track.place(stamp_ms(frame), frame))
        if packet is None:
            yield from self._shown(self._track.flush())

    def settle(self) -> Iterator[VideoFrame]:
        """Yield what was kept, if meanwhile the sound has shown what to think of its times."""
        return self._shown(self._track.settle())

    def _shown(self, placed: Iterable[Placed[av.VideoFrame]]) -> Iterator[VideoFrame]:
        for time_ms, frame in placed:
            if self._limiter.keep(time_ms):
                yield VideoFrame(time_ms, self._display.rgb(frame))


def _streams(
    container: InputContainer, sound: SoundChoice, code: str, name: str
) -> tuple[list[av.AudioStream], av.VideoStream | None]:
    try:
        heard, frames = tracks_of(container, sound), video_stream(container)
    except NoTrackError as error:
        what = f"{code}.no_track"
        raise SourceError(what, f"{name} {error}") from error
    if not heard and frames is None:
        what = f"{code}.no_streams"
        raise SourceError(what, f"{name} holds neither sound nor frames that can be decoded")
    return heard, frames


class Decoder:
    """The best stream of sound and the best of frames of ``container``, decoded in the order they are stored.

    Args:
        max_fps: frames a second at most.
        code: begins the status codes.
        name: what people call the source.
        sound: which sound is taken.
        start_ms: the media time of the container's first media.
        now_ms: the clock by which it arrives, where it is live.

    Raises:
        SourceError: there is nothing to decode, or not the track that is to be taken.
    """

    def __init__(
        self,
        container: InputContainer,
        *,
        max_fps: float,
        code: str,
        name: str,
        sound: SoundChoice = ANY_SOUND,
        start_ms: float = 0.0,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        self._container = container
        heard, frames = _streams(container, sound, code, name)
        origin_ms = self._origin_ms = _origin_ms([*heard[:1], *([] if frames is None else [frames])])
        jumps = now_ms is not None or Flags.ts_discont in Flags(container.format.flags)
        timeline = Timeline(origin_ms, start_ms, trust=BROADCAST if jumps else RECORDING, now_ms=now_ms)
        self.audio = SoundDecoder(heard, sound, timeline, code) if heard else None
        self.video = None if frames is None else VideoDecoder(frames, timeline, max_fps)
        self._start_ms = start_ms
        self._timeline, self._strays = timeline, StrayTimes(timeline, code)
        self._damaged = Tally(f"{code}.damaged", "skipped {count} damaged part(s) so far; the rest is decoded")

    @property
    def expected_ms(self) -> float:
        """Return the media time at which the container says it ends; 0 when it doesn't say."""
        streams = [decoder.stream for decoder in self._decoders()]
        return _end_ms(streams, self._origin_ms, self._start_ms) or 0.0

    @property
    def position_ms(self) -> float:
        """Return the media time decoded up to."""
        return max((decoder.position_ms for decoder in self._decoders()), default=0.0)

    @property
    def complete(self) -> bool:
        """Return whether it has got to where the container says it ends."""
        return self.position_ms + self._timeline.cut_ms >= self.expected_ms - SHORT_BY_MS

    def seek(self, time_ms: float) -> None:
        """Skip to shortly before ``time_ms`` if the container can; before :meth:`media`."""
        if time_ms <= 0 or self._origin_ms is None:
            return
        with suppress(av.FFmpegError):
            self._container.seek(round((time_ms + self._origin_ms) * 1000))
            self._timeline.sought = True

    def media(self) -> Generator[Media]:
        """Yield everything up to the end; damaged packets are skipped and counted in warnings.

        Raises:
            av.FFmpegError: the container can't be read on (a connection is lost, a disk fails).
        """
        by_index = {stream.index: decoder for decoder in self._decoders() for stream in decoder.streams}
        for packet in self._packets():
            if packet is None:
                yield from self._told()
            else:
                yield from self._guarded(by_index[packet.stream.index].decode(packet))
                yield from self._settled()
        for decoder in self._decoders():
            yield from self._guarded(decoder.decode(None))
        yield from self._settled()
        yield from self._strays.rest()
        yield from _present(self._damaged.rest())

    def _decoders(self) -> list[SoundDecoder | VideoDecoder]:
        return [decoder for decoder in (self.audio, self.video) if decoder is not None]

    def _packets(self) -> Iterator["av.Packet[Any] | None"]:
        """Yield the packets, and None for each place that could not be read."""
        failures = 0
        streams = [stream for decoder in self._decoders() for stream in decoder.streams]
        while failures < MAX_FAILED_READS:
            try:
                for packet in self._container.demux(streams):
                    failures = 0
                    # The empty ones at the end flush the decoders, which is done once, whatever the end was.
                    if packet.size:
                        yield packet
            except av.InvalidDataError:
                failures += 1
                yield None
            else:
                return

    def _guarded(self, media: Iterable[Media]) -> Iterator[Media]:
        try:
            yield from media
        except av.EOFError:
            return
        except av.FFmpegError:
            yield from self._told()

    def _settled(self) -> Iterator[Media]:
        for decoder in self._decoders():
            yield from decoder.settle()
        yield from self._strays.told()
        if self.audio is not None:
            yield from self.audio.news()

    def _told(self) -> Iterator[SourceStatus]:
        yield from _present(self._damaged.add())


def _present(status: SourceStatus | None) -> Iterator[SourceStatus]:
    if status is not None:
        yield status


def _start_ms(stream: av.stream.Stream) -> float | None:
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base * 1000)


def _origin_ms(streams: Iterable[av.stream.Stream]) -> float | None:
    """Return the raw stamp of the first media; None when one of the streams doesn't say."""
    starts = [_start_ms(stream) for stream in streams]
    known = [start for start in starts if start is not None]
    return min(known) if known and len(known) == len(starts) else None


def _end_ms(streams: Iterable[av.stream.Stream], origin_ms: float | None, start_ms: float) -> float | None:
    """Return the media time at which the longest stream ends; None when none says."""
    ends = [
        float(stream.duration * stream.time_base * 1000) + (_start_ms(stream) or 0.0) - (origin_ms or 0.0)
        for stream in streams
        if stream.duration and stream.time_base
    ]
    return start_ms + max(ends) if ends else None
