"""What watchers see and hear of a local source: small JPEG frames and the sound, made only while somebody asks."""

from concurrent.futures import Executor, Future

from models.threads import watch_future
from serving.rooms.broadcast import Channel
from stream.jpeg import encode_preview
from stream.media import AudioChunk, Media, VideoFrame
from wire.media import MediaKind
from wire.pcm import to_pcm


class Previewer:
    """Takes what a source yields and gives watchers at most ``fps`` frames a second of it, none at 0.

    Frames are encoded in ``executor``, one at a time: while one is being made, others are passed over, so
    the session's thread never waits.
    """

    def __init__(self, channel: Channel, fps: float, executor: Executor) -> None:
        self._channel = channel
        self._fps = fps
        self._executor = executor
        self._last_ms: float | None = None
        self._encoding: Future[None] | None = None

    def show(self, media: Media) -> None:
        """Pass on one chunk or frame, if it is due and somebody wants it."""
        match media:
            case AudioChunk() if self._channel.previewed(MediaKind.PCM_S16):
                self._channel.preview(MediaKind.PCM_S16, media.time_ms, to_pcm(media.samples))
            case VideoFrame() if self._due(media.time_ms) and self._channel.previewed(MediaKind.JPEG):
                self._last_ms = media.time_ms
                self._encoding = self._executor.submit(self._encode, media)
                watch_future("preview", self._encoding)
            case _:
                pass

    def _due(self, time_ms: float) -> bool:
        if not self._fps or (self._encoding is not None and not self._encoding.done()):
            return False
        # A time before the last one is that of a source that started again.
        return self._last_ms is None or not self._last_ms <= time_ms < self._last_ms + 1000 / self._fps

    def _encode(self, frame: VideoFrame) -> None:
        self._channel.preview(MediaKind.JPEG, frame.time_ms, encode_preview(frame.image))
