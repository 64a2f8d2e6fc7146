"""The sound of an open PyAV container: of its only track, or of one of several."""

import itertools
from collections.abc import Iterator
from typing import Any

import av
from av.container import InputContainer

from models.media.containers import audio_streams, stamp_ms
from models.media.resample import Resampler
from stream.media import AudioChunk, Samples, SourceStatus
from stream.sources.sound_tracks import SoundChoice, TrackChooser
from stream.sources.timeline import Timeline
from stream.sources.tracks import AudioTrack


class NoTrackError(ValueError):
    """There is no such sound track, or it can't be decoded; the message says which there are."""


def tracks_of(container: InputContainer, sound: SoundChoice) -> list[av.AudioStream]:
    """Return the streams among which to choose, the one to prefer first; none where there is no sound.

    Raises:
        NoTrackError: the one to take is not there.
    """
    streams = audio_streams(container)
    if not sound.track:
        return streams
    found = [stream for stream in streams if number_of(stream) == sound.track]
    if not found:
        there = ", ".join(str(number) for number in sorted(map(number_of, streams))) or "none"
        message = f"has no sound track {sound.track} that can be decoded; there are: {there}"
        raise NoTrackError(message)
    return found


def number_of(stream: av.AudioStream) -> int:
    """Return which sound track of its container a stream is, from 1."""
    return 1 + [other.index for other in stream.container.streams.audio].index(stream.index)


class SoundDecoder:
    """The sound of one stream, or of the first of several in which there is any.

    Args:
        streams: from :func:`tracks_of`, one at least.
        sound: what was asked for.
        timeline: shared with the frames.
        code: begins the status codes.
    """

    def __init__(self, streams: list[av.AudioStream], sound: SoundChoice, timeline: Timeline, code: str) -> None:
        self.streams = streams
        """Those whose packets are wanted."""
        self._tracks = [_Track(stream, timeline, sound.channel) for stream in streams]
        self._chooser = TrackChooser(len(streams))
        self._by_index = {stream.index: place for place, stream in enumerate(streams)}
        self._news = _News(streams, sound, code)

    @property
    def stream(self) -> av.AudioStream:
        """Return the stream that is taken, as far as is known."""
        return self.streams[self._chooser.chosen or 0]

    @property
    def position_ms(self) -> float:
        """Return the media time decoded up to."""
        return self._tracks[self._chooser.chosen or 0].position_ms

    def decode(self, packet: "av.Packet[Any] | None") -> Iterator[AudioChunk]:
        """Yield what ``packet`` completes; None: what is still inside.

        Raises:
            av.FFmpegError: the packet is damaged; the next may be good.
        """
        places = range(len(self._tracks)) if packet is None else [self._by_index[packet.stream.index]]
        for place in places:
            if self._chooser.chosen in {None, place}:
                for chunk in self._tracks[place].decode(packet):
                    yield from self._chooser.push(place, chunk)
        if packet is None:
            yield from self._chooser.flush()

    def settle(self) -> Iterator[AudioChunk]:
        """Yield what was kept, if meanwhile the frames have shown what to think of its times."""
        for place, track in enumerate(self._tracks):
            if self._chooser.chosen in {None, place}:
                for chunk in track.settle():
                    yield from self._chooser.push(place, chunk)

    def news(self) -> Iterator[SourceStatus]:
        """Yield what is to be said of the sound that is taken and of what is left out."""
        chosen = self._chooser.chosen
        if chosen is not None:
            yield from self._news.told(chosen, cancelling=self._tracks[chosen].resampler.cancelling)


class _News:
    """Says once what is left out of the sound."""

    def __init__(self, streams: list[av.AudioStream], sound: SoundChoice, code: str) -> None:
        self._streams, self._sound, self._code = streams, sound, code
        self._said: set[str] = set()

    def told(self, chosen: int, *, cancelling: bool) -> Iterator[SourceStatus]:
        if len(self._streams) > 1:
            taken, *left = [self._streams[chosen], *self._streams[:chosen], *self._streams[chosen + 1 :]]
            numbers = ", ".join(str(number) for number in sorted(map(number_of, left)))
            yield from self._once(
                "sound_tracks",
                f"of the sound tracks, {number_of(taken)} is taken and {numbers} left out; "
                "--audio-track (sources.audio_track) takes another",
            )
        count = self._streams[chosen].codec_context.layout.nb_channels
        if self._sound.channel > count:
            yield from self._once(
                "no_channel",
                f"there is no channel {self._sound.channel} of the sound, which has {count}: all are taken",
            )
        if cancelling:
            yield from self._once(
                "channels_cancel",
                "channels of the sound cancel each other out, so the louder one is taken; "
                "--audio-channel (sources.audio_channel) takes another",
            )

    def _once(self, what: str, message: str) -> Iterator[SourceStatus]:
        if what not in self._said:
            self._said.add(what)
            yield SourceStatus("warning", f"{self._code}.{what}", message)


class _Track:
    """The sound of one stream."""

    def __init__(self, stream: av.AudioStream, timeline: Timeline, channel: int) -> None:
        self.stream = stream
        self._track = AudioTrack(timeline)
        self.resampler = Resampler(channel)

    @property
    def position_ms(self) -> float:
        """Return the media time decoded up to."""
        return self._track.position_ms or 0.0

    def decode(self, packet: "av.Packet[Any] | None") -> Iterator[AudioChunk]:
        """Yield what ``packet`` completes, as :meth:`SoundDecoder.decode`."""
        for frame in self.stream.codec_context.decode(packet):
            raw_ms = stamp_ms(frame)
            yield from self._placed(raw_ms, self.resampler.push(frame))
        if packet is None:
            yield from self._placed(None, self.resampler.flush())
            yield from itertools.starmap(AudioChunk, self._track.flush())

    def settle(self) -> Iterator[AudioChunk]:
        """Yield what was kept, if meanwhile the frames have shown what to think of its times."""
        return itertools.starmap(AudioChunk, self._track.settle())

    def _placed(self, raw_ms: float | None, samples: Samples) -> Iterator[AudioChunk]:
        if len(samples):
            yield from itertools.starmap(AudioChunk, self._track.place(raw_ms, samples))
