"""A remote peer, whose media somebody else receives and pushes here."""

import io
import itertools
import warnings
from collections.abc import Generator, Iterator
from typing import ClassVar, Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from stream.media import AudioChunk, DropCounts, Image, Media, Samples, SourceStatus, VideoFrame
from stream.sources.base import Source
from stream.sources.clock import LiveClock
from stream.sources.media_queue import Bounds, EncodedPicture, MediaQueue, Queued
from stream.sources.tally import StrayTimes, Tally
from stream.sources.timeline import PEER, Timeline
from stream.sources.tracks import AudioTrack, VideoTrack

MAX_PIXELS: Final = 4096 * 4096
MAX_DECODED: Final = 16 * MAX_PIXELS  # pixels times scans: a progressive picture is gone over once for each scan
SCAN: Final = b"\xff\xda"
USUAL_INTERVAL_MS: Final = 100.0
PATIENCE_S: Final = 0.5

# There is a limit of ours below Pillow's, and who exceeds it is told.
warnings.filterwarnings("ignore", category=Pillow.DecompressionBombWarning)
warnings.filterwarnings("ignore", message="Corrupt EXIF data")  # how a picture lies is all that is read of it


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
        self._video: VideoTrack[tuple[Image, bytes]] = VideoTrack(timeline, USUAL_INTERVAL_MS)
        self._strays = StrayTimes(timeline, self.kind)
        self._bad = Tally(f"{self.kind}.bad_picture", "{count} picture(s) were no JPEG that can be decoded; skipped")
        self._costly = Tally(
            f"{self.kind}.costly_picture",
            "{count} picture(s) have more than 16 million pixels, or too many scans of fewer; skipped",
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
        yield from itertools.starmap(AudioChunk, self._audio.flush())
        yield from itertools.starmap(_frame, self._video.flush())
        yield from self._strays.told()

    def _processed(self, item: Queued) -> Iterator[Media]:
        if isinstance(item, AudioChunk):
            yield from itertools.starmap(AudioChunk, self._audio.place(item.time_ms, item.samples))
            yield from itertools.starmap(_frame, self._video.settle())
        elif isinstance(item, EncodedPicture):
            yield from self._picture(item)
            yield from itertools.starmap(AudioChunk, self._audio.settle())
        else:
            yield item
        yield from self._strays.told()

    def _picture(self, picture: EncodedPicture) -> Iterator[Media]:
        image = decode_jpeg(picture.data)
        if image is not None:
            yield from itertools.starmap(_frame, self._video.place(picture.time_ms, (image, picture.data)))
        elif warning := (self._costly if is_too_costly(picture.data) else self._bad).add():
            yield warning


def _frame(time_ms: float, picture: tuple[Image, bytes]) -> VideoFrame:
    return VideoFrame(time_ms, *picture)


def decode_jpeg(data: bytes) -> Image | None:
    """Return ``(height, width, 3)`` RGB, upright as its EXIF says, or None if it is no whole JPEG, or too costly."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return None if _exceeds(picture, data) else np.asarray(_upright(picture).convert("RGB"))
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds on hostile bytes
        return None


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """Return a picture turned and mirrored as browsers show it; as it is where its EXIF is broken."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds on hostile bytes
        return picture


def is_too_costly(data: bytes) -> bool:
    """Return whether a JPEG is refused for what it would take to decode it."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return _exceeds(picture, data)
    except Pillow.DecompressionBombError:
        return True
    except Exception:  # noqa: BLE001 - as above
        return False


def _exceeds(picture: Pillow.Image, data: bytes) -> bool:
    """Return whether a picture is too costly: known from its header and bytes, before anything is decoded.

    One that is a few bytes may claim to be huge, and one of modest size may have thousands of scans.
    """
    pixels = picture.width * picture.height
    return pixels > MAX_PIXELS or pixels * data.count(SCAN) > MAX_DECODED


def _check_time(time_ms: float) -> None:
    if not np.isfinite(time_ms):
        message = f"the time of media must be a finite number of milliseconds, not {time_ms}"
        raise ValueError(message)
