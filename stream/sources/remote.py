"""A remote peer, whose media somebody else receives and pushes here."""

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

import numpy as np

from stream.jpeg import JpegFrame, fault_of
from stream.media import AudioChunk, Media, Samples, SourceStatus
from stream.sources.base import QueuedSource
from stream.sources.media_queue import Bounds
from stream.sources.tally import StrayTimes, Tally
from stream.sources.timeline import PEER, Timeline
from stream.sources.tracks import AudioTrack, VideoTrack

USUAL_INTERVAL_MS: Final = 100.0
PATIENCE_S: Final = 0.5
# A network that stalled delivers at once what it held back.
BOUNDS: Final = Bounds(audio_ms=20_000, video_frames=40)


class RemoteSource(QueuedSource):
    """Media pushed from any thread, never waiting: what isn't read in time is dropped, the oldest first.

    It has no thread: media is put on media time as it is read. The peer's times are shifted so that its first media is
    at 0. What is pushed after :meth:`close` or :meth:`stop` is ignored.
    """

    kind: ClassVar[str] = "remote"

    def __init__(self, name: str, *, bounds: Bounds = BOUNDS) -> None:
        super().__init__(name, live=True, bounds=bounds)
        self._placed: deque[Media] = deque()
        self._ended = False
        self._arrived_s = time.monotonic()
        timeline = Timeline(trust=PEER, now_ms=lambda: 1000 * self._arrived_s)
        self._audio = AudioTrack(timeline)
        self._video: VideoTrack[bytes] = VideoTrack(timeline, USUAL_INTERVAL_MS)
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
            self._queue.put(AudioChunk(time_ms, np.clip(samples, -1, 1), time.monotonic()))

    def push_jpeg(self, time_ms: float, data: bytes) -> None:
        """Add a frame; one that is no whole JPEG, or takes too much to decode, becomes a warning status.

        Raises:
            ValueError: ``time_ms`` is not a finite number.
        """
        _check_time(time_ms)
        self._queue.put(JpegFrame(time_ms, data, time.monotonic()))

    def close(self) -> None:
        """Say that nothing more comes; what was pushed can still be read, then the source ends."""
        self._queue.put(self._status("ended", "ended", f"{self.name} has ended"))

    def start(self) -> None:
        """Say that the peer is there."""
        self._placed.append(self._opened(f"{self.name} is connected"))

    def read(self, timeout: float | None = None) -> Media | None:
        """Return the next item, as :meth:`QueuedSource.read`."""
        until_s = math.inf if timeout is None else time.monotonic() + timeout
        while not (self._placed or self._ended):
            wait_s = min(until_s, self._patient_until_s) - time.monotonic()
            item = self._queue.get(None if wait_s == math.inf else max(0.0, wait_s))
            if item is not None:
                self._placed.extend(self._processed(item))
            elif time.monotonic() >= self._patient_until_s:
                self._placed.extend(self._kept())
            elif time.monotonic() >= until_s:
                break
        return self._placed.popleft() if self._placed else None

    @property
    def _patient_until_s(self) -> float:
        """Return until when what shows whether stray time stamps are right is waited for; for ever if none are kept."""
        return self._arrived_s + PATIENCE_S if self._audio.waits or self._video.waits else math.inf

    def _kept(self) -> Iterator[Media]:
        yield from self._sounds(self._audio.flush())
        yield from self._frames(self._video.flush())
        yield from self._strays.told()

    def _processed(self, item: Media) -> Iterator[Media]:
        if isinstance(item, SourceStatus):
            yield from self._kept()
            yield item
            self._ended = True
            return
        self._arrived_s = item.arrived_s or self._arrived_s
        if isinstance(item, AudioChunk):
            yield from self._sounds(self._audio.place(item.time_ms, item.samples))
            yield from self._frames(self._video.settle())
        elif isinstance(item, JpegFrame):
            yield from self._frame(item.time_ms, item.jpeg)
            yield from self._sounds(self._audio.settle())
        yield from self._strays.told()

    def _frame(self, time_ms: float, data: bytes) -> Iterator[Media]:
        fault = fault_of(data)
        if fault is None:
            yield from self._frames(self._video.place(time_ms, data))
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
