"""A remote peer, whose media somebody else receives and pushes here."""

import io
from collections.abc import Generator
from typing import ClassVar, Final

import numpy as np
from PIL import Image as Pillow

from stream.media import AudioChunk, DropCounts, Image, Media, Samples, VideoFrame
from stream.sources.base import Source
from stream.sources.media_queue import Bounds, EncodedPicture, MediaQueue, Queued
from stream.sources.tally import Tally
from stream.sources.timeline import AudioTrack, Timeline, VideoTrack

MAX_PIXELS: Final = 4096 * 4096
USUAL_INTERVAL_MS: Final = 100.0


class RemoteSource(Source):
    """Media pushed from any thread, never waiting: what isn't processed in time is dropped, the oldest first.

    The peer's times are shifted so that its first media is at 0. What is pushed after :meth:`close` or :meth:`stop`
    is ignored.
    """

    kind: ClassVar[str] = "remote"

    def __init__(self, name: str, *, bounds: Bounds | None = None) -> None:
        super().__init__(name, live=True, bounds=bounds)
        self._inbox: MediaQueue[Queued] = MediaQueue(live=True, bounds=bounds)
        timeline = Timeline()
        self._audio = AudioTrack(timeline)
        self._video = VideoTrack(timeline, USUAL_INTERVAL_MS)
        self._bad = Tally(f"{self.kind}.bad_picture", "{count} picture(s) were no JPEG that can be decoded; skipped")

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
            self._inbox.put(AudioChunk(time_ms, np.clip(samples, -1, 1)))

    def push_jpeg(self, time_ms: float, data: bytes) -> None:
        """Add a picture; one that can't be decoded becomes a warning status.

        Raises:
            ValueError: ``time_ms`` is not a finite number.
        """
        _check_time(time_ms)
        self._inbox.put(EncodedPicture(time_ms, data))

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
        yield self._status("opened", "opened", f"{self.name} is connected")
        while (item := self._inbox.get()) is not None:
            yield from self._processed(item)

    def _processed(self, item: Queued) -> Generator[Media]:
        if isinstance(item, AudioChunk):
            yield AudioChunk(self._audio.place(item.time_ms, len(item.samples)), item.samples)
        elif isinstance(item, EncodedPicture):
            yield from self._picture(item)
        else:
            yield item

    def _picture(self, picture: EncodedPicture) -> Generator[Media]:
        image = decode_jpeg(picture.data)
        if image is not None:
            yield VideoFrame(self._video.place(picture.time_ms), image, picture.data)
        elif warning := self._bad.add():
            yield warning


def decode_jpeg(data: bytes) -> Image | None:
    """Return ``(height, width, 3)`` RGB, or None if ``data`` is no whole JPEG of at most 16 million pixels."""
    try:
        # The size is known from the header, before memory is taken for a picture that only claims to be large.
        with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            return np.asarray(picture.convert("RGB"))
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds on hostile bytes
        return None


def _check_time(time_ms: float) -> None:
    if not np.isfinite(time_ms):
        message = f"the time of media must be a finite number of milliseconds, not {time_ms}"
        raise ValueError(message)
