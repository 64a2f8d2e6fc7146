"""A media file as messages of the protocol, each with the time when it would have been sent live."""

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from m2fnet_client.errors import ClientError
from m2fnet_client.files import FRAMES_PER_SECOND
from stream.jpeg import encode_preview
from stream.media import SAMPLES_PER_MS, AudioChunk, Media, Samples, SourceStatus, VideoFrame
from stream.sources.file import FileSource
from wire.media import MediaKind, MediaMessage
from wire.pcm import to_pcm

_log: Final = logging.getLogger(__name__)

CHUNK_MS: Final = 100


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message and when it is to be sent, in milliseconds of media time."""

    due_ms: float
    message: MediaMessage


def media_of(path: Path | str, frames_per_second: float = FRAMES_PER_SECOND) -> Generator[Media]:
    """Yield the sound and frames of a file as fast as they are taken; at 0 frames a second the sound alone.

    What is left out or wrong with it is logged as a warning.

    Raises:
        ClientError: it can't be read; the code is the source's, such as ``file.not_found``.
    """
    with FileSource(path, max_fps=frames_per_second or 1.0) as source:
        while (item := source.read()) is not None:
            if isinstance(item, SourceStatus) and item.kind == "failed":
                raise ClientError(item.code, item.message)
            if isinstance(item, SourceStatus) and item.kind == "warning":
                _log.warning("%s", item.message)
            if frames_per_second or not isinstance(item, VideoFrame):
                yield item


def file_messages(path: Path | str, frames_per_second: float = FRAMES_PER_SECOND) -> Generator[DueMessage]:
    """Yield a file as a page would send it live: :data:`CHUNK_MS` of sound a message, and JPEG frames.

    Raises:
        ClientError: it can't be read.
    """
    with closing(media_of(path, frames_per_second)) as media:
        yield from messages_of(media)


def messages_of(media: Iterable[Media]) -> Iterator[DueMessage]:
    """Yield media as messages: sound due when its last sample would have been heard, frames at their time."""
    pieces = Pieces()
    for item in media:
        if isinstance(item, AudioChunk):
            yield from pieces.push(item)
        elif isinstance(item, VideoFrame):
            message = MediaMessage(MediaKind.JPEG, round(item.time_ms), encode_preview(item.image))
            yield DueMessage(item.time_ms, message)
    yield from pieces.flush()


class Pieces:
    """Cuts sound that comes in chunks of any length into messages of :data:`CHUNK_MS`; a gap ends one early."""

    def __init__(self) -> None:
        self._start = 0
        self._waiting: Samples = np.empty(0, np.float32)

    def push(self, chunk: AudioChunk) -> Iterator[DueMessage]:
        """Yield what a chunk completes."""
        at = round(chunk.time_ms * SAMPLES_PER_MS)
        # Times in whole milliseconds are all the protocol has: less than one apart is no gap.
        if abs(at - (self._start + len(self._waiting))) >= SAMPLES_PER_MS:
            yield from self.flush()
            self._start = at
        self._waiting = np.concatenate([self._waiting, chunk.samples])
        size = CHUNK_MS * SAMPLES_PER_MS
        while len(self._waiting) >= size:
            yield self._take(size)

    def flush(self) -> Iterator[DueMessage]:
        """Yield what is left."""
        if len(self._waiting):
            yield self._take(len(self._waiting))

    def _take(self, count: int) -> DueMessage:
        samples, self._waiting = self._waiting[:count], self._waiting[count:]
        start, self._start = self._start, self._start + count
        message = MediaMessage(MediaKind.PCM_S16, round(start / SAMPLES_PER_MS), to_pcm(samples))
        return DueMessage(self._start / SAMPLES_PER_MS, message)
