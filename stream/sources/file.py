"""A media file of any container."""

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import ClassVar, Final

import av
from av.container import InputContainer

from models.files.file_names import shown
from models.media.containers import open_media
from stream.media import Media, SourceStatus
from stream.sources.base import Source
from stream.sources.decode import Decoder
from stream.sources.interleave import interleave
from stream.sources.pace import paced
from stream.sources.sound_tracks import ANY_SOUND, SoundChoice

DEFAULT_MAX_FPS: Final = 10.0


class FileSource(Source):
    """The sound and frames of a file, in the order of their times; never drops, waits for its reader.

    ``realtime``: at its own speed instead of as fast as it is read. ``max_fps``: frames a second at most. ``sound``:
    which of its sound is taken.
    """

    kind: ClassVar[str] = "file"

    def __init__(
        self,
        path: Path | str,
        *,
        realtime: bool = False,
        max_fps: float = DEFAULT_MAX_FPS,
        sound: SoundChoice = ANY_SOUND,
    ) -> None:
        self.path = Path(path)
        super().__init__(shown(self.path.name), live=False)
        self._realtime = realtime
        self._max_fps = max_fps
        self._sound = sound

    def _media(self) -> Generator[Media]:
        self.check()
        with self._open() as container:
            decoder = Decoder(container, max_fps=self._max_fps, code=self.kind, name=self.name, sound=self._sound)
            yield self._opened(f"{self.name}: {describe(decoder)}", has_sound=decoder.audio is not None)
            media = interleave(self._read(decoder))
            yield from paced(media, self._stopping) if self._realtime else media
            if not self._stopping.is_set():
                yield from self._shortcomings(decoder)

    def check(self) -> None:
        """See what can be said of the file without opening it as media.

        Raises:
            SourceError: it is missing, empty, no file, or can't be read.
        """
        path = self.path
        try:
            if path.is_dir():
                self._fail("not_media", f"{self.name} is a folder; name a file in it")
            if not path.exists():
                self._fail("not_found", f"{shown(path)} does not exist; check the path")
            if not path.is_file():
                self._fail(
                    "not_media", f"{shown(path)} is not a regular file; a camera is named as a camera, not as a file"
                )
            if not path.stat().st_size:
                self._fail("empty", f"{self.name} is empty (0 bytes)")
            with path.open("rb"):
                pass
        except OSError as error:
            message = f"{self.name} can't be read: {error.strerror}; check its permissions"
            self._fail("unreadable", message)

    def _open(self) -> InputContainer:
        try:
            return open_media(self.path)
        except av.FFmpegError as error:
            message = f"{self.name} is not a media file, or is cut off before its index ({error.strerror})"
            self._fail("not_media", message)

    def _read(self, decoder: Decoder) -> Generator[Media]:
        try:
            yield from decoder.media()
        except av.FFmpegError as error:
            at_s = decoder.position_ms / 1000
            message = f"{self.name} can't be read beyond {at_s:.1f} s: {error.strerror}"
            self._fail("read_error", message)

    def _shortcomings(self, decoder: Decoder) -> Iterable[SourceStatus]:
        if not decoder.position_ms:
            message = f"{self.name} holds not one frame or sample that can be decoded"
            self._fail("no_media", message)
        if decoder.video and not decoder.video.position_ms:
            yield self._status("warning", "no_frames", f"{self.name} has a video stream without frames")
        if decoder.audio and not decoder.audio.position_ms:
            yield self._status("warning", "no_sound", f"{self.name} has a sound stream without samples")
        if not decoder.complete or riff_shortage(self.path):
            yield self._truncated(decoder)

    def _truncated(self, decoder: Decoder) -> SourceStatus:
        got, expected = decoder.position_ms / 1000, decoder.expected_ms / 1000
        planned = "is shorter than its header says and" if decoder.complete else f"should last {expected:.1f} s but"
        message = f"{self.name} {planned} holds {got:.1f} s; it may be cut off"
        return self._status("warning", "truncated", message)


def riff_shortage(path: Path) -> int:
    """Return how many bytes a WAV or AVI file is shorter than its header says; 0 for all others.

    FFmpeg takes the length of these from the bytes that are there.
    """
    with path.open("rb") as file:
        magic, size = file.read(4), int.from_bytes(file.read(4), "little")
    # A recorder that was never able to go back and fill it in leaves 0 or all ones.
    if magic != b"RIFF" or size in {0, 0xFFFFFFFF}:
        return 0
    return max(0, size + 8 - path.stat().st_size)


def describe(decoder: Decoder) -> str:
    """Return what is in the container, for people."""
    parts = []
    if decoder.video:
        context = decoder.video.stream.codec_context
        parts.append(f"{context.name} {context.width}x{context.height}")
    if decoder.audio:
        sound = decoder.audio.stream.codec_context
        parts.append(f"{sound.name} {sound.sample_rate} Hz, {sound.layout.nb_channels} channel(s)")
    return ", ".join(parts)
