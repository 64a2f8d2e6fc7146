"""A remote peer, whose media somebody else receives and pushes here."""

import time
from collections.abc import Generator, Iterable, Iterator
from typing import ClassVar, Final

import numpy as np

from stream.jpeg import JpegFrame, fault_of
from stream.media import AudioChunk, DropCounts, Media, Samples, SourceStatus
from stream.sources.base import LiveClock, Source
from stream.sources.media_queue import Bounds, EncodedFrame, MediaQueue, Queued
from stream.sources.tally import StrayTimes, Tally
from stream.sources.timeline import PEER, Timeline
from stream.sources.tracks import AudioTrack, VideoTrack

USUAL_INTERVAL_MS: Final = 100.0
PATIENCE_S: Final = 0.5


class RemoteSource(Source):
    """Media pushed from any thread, never waiting: what isn't processed in time is dropped, the oldest first.

    The peer's times are shifted so that its first media is at 0. What is pushed after :meth:`close` or :meth:`stop`
    is ignored.
    """

    kind: ClassVar[str] = "remote"

    def __init__(self, name: str, *, bounds: Bounds | None = None) -> None:
        super().__init__(name, live=True, bounds=bounds)
        self._inbox: MediaQueue[Queued] = MediaQueue(live=True, bounds=bounds)
        timeline = Timeline(trust=PEER, now_ms=LiveClock().stamp)
        self._audio = AudioTrack(timeline)
        self._video: VideoTrack[bytes] = VideoTrack(timeline, USUAL_INTERVAL_MS)
        self._arrived_s = 0.0
        self._strays = StrayTimes(timeline, self.kind)
        self._bad = Tally(f"{self.kind}.bad_frame", "{count} frame(s) were no JPEG that can be decoded; skipped")
        self._costly = Tally(
            f"{self.kind}.costly_frame",
            "{count} frame(s) have more than 16 million pixels, or too many scans of fewer; skipped",
        )

    def push_audio(self, time_ms: float, samples: Samples) -> None:
        """Add sound: ``(n,)`` float32 in [-1, 1] at 16 kHz; ``time_ms`` is its first sample's.

        Raises:
            ValueError: another shape or type, or not finite numbers.
        """
        _check_time(time_ms)
        if samples.ndim != 1 or samples.dtype != np.float32 or not np.isfinite(samples).all():
            message = "sound must be a one-dimensional float32 array of finite numbers"
            raise ValueError(message)
        if len(samples):
            self._inbox.put(AudioChunk(time_ms, np.clip(samples, -1, 1), time.monotonic()))

    def push_jpeg(self, time_ms: float, data: bytes) -> None:
        """Add a frame; one that is no whole JPEG, or takes too much to decode, becomes a warning status.

        Raises:
            ValueError: ``time_ms`` is not a finite number.
        """
        _check_time(time_ms)
        self._inbox.put(EncodedFrame(time_ms, data, time.monotonic()))

    def close(self) -> None:
        """Say that nothing more comes; what was pushed is still processed, then the source ends."""
        self._inbox.put(self._status("ended", "ended", f"{self.name} has ended"))

    def stop(self) -> None:
        """End the source, as :meth:`Source.stop`."""
        self._stopping.set()
        self.close()
        super().stop()

    @property
    def dropped(self) -> DropCounts:
        """Return what was pushed faster than it was decoded or read."""
        arrived, decoded = self._inbox.dropped, super().dropped
        return DropCounts(
            arrived.audio_chunks + decoded.audio_chunks,
            arrived.video_frames + decoded.video_frames,
        )

    def _media(self) -> Generator[Media]:
        yield self._opened(f"{self.name} is connected")
        ended = False
        while not ended:
            item = self._inbox.get(self._patience_s)
            ended = isinstance(item, SourceStatus) and item.final
            if item is None or ended:
                yield from self._kept()
            if item is not None:
                yield from self._processed(item)

    @property
    def _patience_s(self) -> float | None:
        """Return how long to wait for what shows whether stray time stamps are right; None: nothing is kept for it."""
        return PATIENCE_S if self._audio.waits or self._video.waits else None

    def _kept(self) -> Iterator[Media]:
        yield from self._sounds(self._audio.flush())
        yield from self._frames(self._video.flush())
        yield from self._strays.told()

    def _processed(self, item: Queued) -> Iterator[Media]:
        if isinstance(item, AudioChunk):
            self._arrived_s = item.arrived_s or self._arrived_s
            yield from self._sounds(self._audio.place(item.time_ms, item.samples))
            yield from self._frames(self._video.settle())
        elif isinstance(item, EncodedFrame):
            self._arrived_s = item.arrived_s
            yield from self._frame(item)
            yield from self._sounds(self._audio.settle())
        else:
            yield item
        yield from self._strays.told()

    def _frame(self, frame: EncodedFrame) -> Iterator[Media]:
        fault = fault_of(frame.data)
        if fault is None:
            yield from self._frames(self._video.place(frame.time_ms, frame.data))
        elif warning := (self._costly if fault == "costly" else self._bad).add():
            yield warning

    def _sounds(self, placed: Iterable[tuple[float, Samples]]) -> Iterator[AudioChunk]:
        """Yield sound with the time at which the last of it came: of what was kept, that is a delay."""
        for time_ms, samples in placed:
            yield AudioChunk(time_ms, samples, self._arrived_s)

    def _frames(self, placed: Iterable[tuple[float, bytes]]) -> Iterator[JpegFrame]:
        for time_ms, data in placed:
            yield JpegFrame(time_ms, data, self._arrived_s)


def _check_time(time_ms: float) -> None:
    if not np.isfinite(time_ms):
        message = f"the time of media must be a finite number of milliseconds, not {time_ms}"
        raise ValueError(message)
