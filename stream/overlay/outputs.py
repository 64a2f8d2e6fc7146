"""Where the frames with the overlay go: a virtual camera, or a file. Used by one thread."""

import importlib
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import av
import numpy as np
from av.container import OutputContainer

from models.files.file_names import shown
from models.files.whole_file import FileError, require_file, whole_file
from models.media.containers import create_media
from models.user_error import UserError
from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, AudioChunk, Samples, VideoFrame
from stream.overlay.drawing import fitted

PACKAGE: Final = "pip install -c constraints.txt -e '.[virtual-camera]'"
_OBS: Final = (
    "install OBS (https://obsproject.com), open it once, press Start Virtual Camera, then Stop Virtual Camera, "
    "close OBS, and start this again; in the call choose the camera called OBS Virtual Camera"
)
HOW_TO_GET_ONE: Final = {
    "linux": (
        "install the kernel module v4l2loopback (Debian, Ubuntu: sudo apt install v4l2loopback-dkms; Fedora: akmod-"
        "v4l2loopback of RPM Fusion; Arch: v4l2loopback-dkms), then: sudo modprobe v4l2loopback exclusive_caps=1 "
        "card_label=M2FNet; in the call choose the camera called M2FNet"
    ),
    "darwin": _OBS,
    "win32": _OBS,
}
ENDINGS: Final = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".avi", ".flv", ".ts", ".mts"))
"""Of files that hold H.264 with AAC."""
_PROBED: Final = (1280, 720)
_SOUND_PATIENCE_MS: Final = 1_000.0
_FRAME_PATIENCE_MS: Final = 10_000.0  # of sound, the last of which is kept
_LATE_SOUND_MS: Final = 5_000.0  # by so much sources give frames before the sound of the same time, at most
_MILLISECONDS: Final = Fraction(1, 1000)


class OverlayError(UserError):
    """The overlay can't start or go on; the message says why and what to do."""


class Output(Protocol):
    """Takes what is shown.

    ``name`` is for people. ``may_wait``: frames that may wait for it; more would only come too late.
    ``left_out``: pieces of sound that waited for the first frame for too long.
    """

    name: str
    may_wait: int
    left_out: int

    def video(self, frame: VideoFrame) -> None:
        """Take a frame; raises :class:`OverlayError` when it can't go on."""

    def expect(self, *, sound: bool) -> None:
        """Take that there will be sound, or none; told before any media, where it is known."""

    def sound(self, chunk: AudioChunk) -> None:
        """Take the sound that belongs to the frames."""

    def close(self) -> None:
        """End it; what it has is complete then."""


class VirtualCamera:
    """A camera that other programs see, as large as the first frame; later ones are fitted into that."""

    may_wait = 2
    left_out = 0

    def __init__(self, device: str | None, fps: float) -> None:
        """Find out whether there is one, before anything slow is done.

        Args:
            device: its name; None: the first there is.
            fps: frames a second at most, which other programs are told.

        Raises:
            OverlayError: there is none, or the package that speaks to it is missing.
        """
        self._library = _library()
        self._device, self._fps = device, fps
        self._camera: Any = None
        probed = self._open(*_PROBED)
        self.name = f"the camera {probed.device}"
        probed.close()

    def video(self, frame: VideoFrame) -> None:
        """Show a frame."""
        if self._camera is None:
            self._camera = self._open(*_even(frame))
        try:
            self._camera.send(fitted(frame.image, self._camera.width, self._camera.height))
        except (RuntimeError, OSError) as error:
            message = f"the virtual camera takes no more frames: {error}"
            raise OverlayError(message) from error

    def expect(self, *, sound: bool) -> None:
        """Take that there will be sound; it makes no difference."""

    def sound(self, chunk: AudioChunk) -> None:
        """Pass over sound: the call takes it from the microphone itself."""

    def close(self) -> None:
        """Give the camera back."""
        if self._camera is not None:
            self._camera.close()

    def _open(self, width: int, height: int) -> Any:  # noqa: ANN401 - the library is optional
        try:
            return self._library.Camera(width=width, height=height, fps=self._fps, device=self._device)
        except (RuntimeError, OSError) as error:
            raise OverlayError(no_camera(str(error), sys.platform)) from error


def no_camera(reason: str, platform: str) -> str:
    """Return what to tell a user whose machine has no virtual camera."""
    how = HOW_TO_GET_ONE.get(platform, "this system has no virtual camera that is known")
    return (
        f"there is no virtual camera to draw on ({reason.strip()})\nTo get one: {how}.\n"
        "Without one, --output FILE.mp4 writes the same frames to a file."
    )


def _library() -> ModuleType:
    try:
        return importlib.import_module("pyvirtualcam")
    except ImportError:
        message = (
            f"the package pyvirtualcam, which draws on virtual cameras, is not installed: {PACKAGE}\n"
            f"Besides it takes the camera itself: {HOW_TO_GET_ONE.get(sys.platform, _OBS)}.\n"
            "Without them, --output FILE.mp4 writes the same frames to a file."
        )
        raise OverlayError(message) from None


class VideoFile:
    """A file with frames as large as the first of them, and sound, with silence where there is none.

    Whether there is sound must be known when the first frame comes, or there must be some within a second.
    """

    may_wait = 100

    def __init__(self, path: Path, fps: float) -> None:
        """Open the file for writing.

        Raises:
            OverlayError: it can't be written, or its name has no ending of a video.
        """
        self.name = shown(path)
        self._fps = fps
        self._broken = False
        self._file, self._container = _opened(path)
        self._video: Any = None
        self._audio: Any = None
        self._expected: bool | None = None
        self._heard = 0  # samples, from media time 0, up to which there is sound in the file
        self._first: VideoFrame | None = None
        self._waiting: deque[AudioChunk | VideoFrame] = deque()
        self._last_ms = -1
        self.left_out = 0

    def expect(self, *, sound: bool) -> None:
        """Take that there will be sound, or none, which decides how the file is laid out."""
        self._expected = sound

    def video(self, frame: VideoFrame) -> None:
        """Write a frame."""
        self._first = self._first or frame
        self._take(frame)

    def sound(self, chunk: AudioChunk) -> None:
        """Write sound."""
        self._take(chunk)

    def close(self) -> None:
        """Write what is left, and the file's index; without a frame, or after an error, there is no file."""
        with suppress(_NotWhole), self._told(), self._file:
            if not self._broken:
                self._begin()
                self._write_silence(_position(self._last_ms))
                for stream in (self._video, self._audio):
                    if stream is not None:
                        self._container.mux(stream.encode(None))
            self._container.close()
            if self._broken or self._video is None:
                raise _NotWhole

    def _take(self, media: AudioChunk | VideoFrame) -> None:
        with self._told():
            if self._video is None:
                self._waiting.append(media)
                while self._first is None and self._waited_ms > _FRAME_PATIENCE_MS:
                    self._waiting.popleft()
                    self.left_out += 1
                known = self._expected is not None or self._has_sound
                if self._first is not None and (known or self._waited_ms > _SOUND_PATIENCE_MS):
                    self._begin()
            else:
                self._write(media)

    @property
    def _has_sound(self) -> bool:
        return any(isinstance(item, AudioChunk) for item in self._waiting)

    @property
    def _waited_ms(self) -> float:
        return self._waiting[-1].time_ms - self._waiting[0].time_ms

    def _begin(self) -> None:
        """Lay out the file with the streams there are, and write what has waited for that; once."""
        if self._video is not None or self._first is None:
            return
        self._video = self._container.add_stream(
            "libx264", rate=round(self._fps), options={"preset": "veryfast", "crf": "20"}
        )
        self._video.width, self._video.height = _even(self._first)
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = _MILLISECONDS
        if self._expected or self._has_sound:
            self._audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            self._heard = _position(self._waiting[0].time_ms)
        waiting, self._waiting = self._waiting, deque()
        for media in waiting:
            self._write(media)

    def _write(self, media: AudioChunk | VideoFrame) -> None:
        if isinstance(media, VideoFrame):
            self._write_frame(media)
            # Not later than that, so that a player need not look for it far from its frames.
            self._write_silence(_position(media.time_ms - _LATE_SOUND_MS))
        elif self._audio is None:
            self.left_out += 1
        else:
            begin = _position(media.time_ms)
            self._write_silence(begin)
            rest = media.samples[max(0, self._heard - begin) :]
            self.left_out += not len(rest)
            self._write_sound(rest)

    def _write_silence(self, until: int) -> None:
        """Let the sound of the file reach so many samples; there is none of the source's before."""
        while self._audio is not None and self._heard < until:
            self._write_sound(np.zeros(min(until - self._heard, SAMPLE_RATE), np.float32))

    def _write_sound(self, samples: Samples) -> None:
        if not len(samples):
            return
        sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        sound.sample_rate, sound.time_base, sound.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), self._heard
        self._heard += len(samples)
        self._container.mux(self._audio.encode(sound))

    def _write_frame(self, frame: VideoFrame) -> None:
        time_ms = round(frame.time_ms)
        if time_ms <= self._last_ms:
            return
        self._last_ms = time_ms
        image = fitted(frame.image, self._video.width, self._video.height)
        coded = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        coded.pts, coded.time_base = time_ms, _MILLISECONDS
        self._container.mux(self._video.encode(coded))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileError as error:
            raise OverlayError(str(error)) from error
        except (av.FFmpegError, OSError) as error:
            self._broken = True
            message = f"{self.name} can't be written on: {error.strerror or error}"
            raise OverlayError(message) from error


class _NotWhole(Exception):  # noqa: N818 - no error: there is nothing to keep
    """The file is not to take its place."""


def _opened(path: Path) -> tuple[ExitStack, OutputContainer]:
    """Return what puts a video in its place once it is whole, and the video, open for writing."""
    advice = "give a name that ends in .mp4 or .mkv in a folder that exists"
    if path.suffix.lower() not in ENDINGS:
        message = f"{shown(path)} can't be written: {shown(path.suffix) or 'no ending'} is that of no video; {advice}"
        raise OverlayError(message)
    whole = ExitStack()
    try:
        require_file(path)
        return whole, create_media(whole.enter_context(whole_file(path)))
    except FileError as error:
        message = f"{error}; {advice}"
    except (av.FFmpegError, ValueError) as error:
        whole.__exit__(type(error), error, None)
        message = f"{shown(path)} can't be written: {error}; {advice}"
    raise OverlayError(message)


def _position(time_ms: float) -> int:
    """Return the sample at a media time."""
    return round(time_ms * SAMPLES_PER_MS)


def _even(frame: VideoFrame) -> tuple[int, int]:
    """Return width and height, a pixel less where they are odd: most formats of video halve the colours."""
    height, width = frame.image.shape[:2]
    return max(2, width - width % 2), max(2, height - height % 2)
