"""Small real media for the tests of the sources."""

import io
import struct
import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from PIL import Image

from stream.media import AudioChunk, Media, SourceStatus, VideoFrame
from stream.sources.base import QueuedSource

WIDTH, HEIGHT, FPS = 160, 120, 25
_CODECS = {".wav": "pcm_s16le", ".mp3": "libmp3lame", ".ogg": "libopus", ".webm": "libopus", ".flac": "flac"}


def tone(seconds: float, rate: int) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def image_of(number: int) -> np.ndarray:
    """A red upper half; the lower half changes with ``number``."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[: HEIGHT // 2, :, 0] = 220
    image[HEIGHT // 2 :, :, 2] = 5 * number % 200
    return image


def make_clip(path: Path, *, video_s: float = 2.0, audio_s: float = 2.0, start_s: float = 0.0, **options: str) -> Path:
    """Write MPEG-4 video and AAC sound of the given lengths (0: no such stream), all stamps from ``start_s`` on."""
    with av.open(str(path), "w", options=options) as output:
        video = _video_stream(output) if video_s else None
        audio = output.add_stream("aac", rate=44_100, layout="mono") if audio_s else None
        if audio:
            _add_sound(output, audio, audio_s, start_s)
        if video:
            _add_frames(output, video, round(video_s * FPS), start_s)
    return path


def _video_stream(output: OutputContainer) -> av.VideoStream:
    video = output.add_stream("mpeg4", rate=FPS)
    video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", 400_000
    return video


def _add_sound(output: OutputContainer, audio: av.AudioStream, seconds: float, start_s: float) -> None:
    frame = av.AudioFrame.from_ndarray(tone(seconds, 44_100)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), round(start_s * 44_100)
    for packet in [*audio.encode(frame), *audio.encode(None)]:
        output.mux(packet)


def _add_frames(output: OutputContainer, video: av.VideoStream, count: int, start_s: float) -> None:
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(image_of(number), format="rgb24")
        frame.time_base, frame.pts = Fraction(1, FPS), number + round(start_s * FPS)
        output.mux(video.encode(frame))
    output.mux(video.encode(None))


def make_late(path: Path, sound_s: float) -> Path:
    """Write five seconds of frames, and a second of sound that begins at ``sound_s``."""
    with av.open(str(path), "w") as output:
        video = _video_stream(output)
        audio = output.add_stream("aac", rate=44_100, layout="mono")
        _add_frames(output, video, 5 * FPS, 0.0)
        _add_sound(output, audio, 1.0, sound_s)
    return path


def make_tracks(path: Path, *tracks: np.ndarray, rate: int = 16_000) -> Path:
    """Write sound tracks, each ``(samples,)`` or ``(channels, samples)`` float32 of the same length, side by side."""
    sounds = [np.atleast_2d(track) for track in tracks]
    with av.open(str(path), "w") as output:
        layouts = [{1: "mono", 2: "stereo"}.get(len(sound), f"{len(sound)} channels") for sound in sounds]
        streams = [output.add_stream("pcm_s16le", rate=rate, layout=layout) for layout in layouts]
        for start in range(0, sounds[0].shape[1], rate // 10):
            for stream, sound, layout in zip(streams, sounds, layouts, strict=True):
                piece = (sound[:, start : start + rate // 10].T.reshape(1, -1) * 32_767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="s16", layout=layout)
                frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def make_titled(path: Path, title: bytes) -> Path:
    """Write a second of sound into a container of any kind; ``title`` is that of the file, its stream and its chapter.

    ``title`` is of 12 bytes, which need not be text.
    """
    standin = "Title to be."
    with av.open(str(path), "w") as output:
        audio = output.add_stream(_CODECS.get(path.suffix, "aac"), rate=48_000, layout="mono")
        output.metadata["title"] = audio.metadata["title"] = standin
        output.set_chapters(
            [{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": standin}}]
        )
        frame = av.AudioFrame.from_ndarray(tone(1.0, 48_000)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), 0
        converter = av.AudioResampler(audio.format.name, "mono", 48_000, audio.frame_size or None)
        for piece in [*converter.resample(frame), *converter.resample(None)]:
            output.mux(audio.encode(piece))
        output.mux(audio.encode(None))
    assert standin.encode() in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(standin.encode(), title))
    return path


def make_wav(path: Path, seconds: float = 1.5, rate: int = 8_000, channels: int = 2) -> Path:
    samples = (tone(seconds, rate) * 32767).astype(np.int16)
    with wave.open(str(path), "wb") as output:
        output.setnchannels(channels)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(np.repeat(samples, channels).tobytes())
    return path


def turned(data: bytes) -> bytes:
    """Return the MP4 ``data`` with the display matrix of its video track turned a quarter clockwise."""
    one = 1 << 16
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    quarter = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    header = data.index(b"tkhd")
    matrix = data.index(upright, header)
    return data[:matrix] + quarter + data[matrix + len(upright) :]


def jpeg(number: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_of(number)).save(buffer, "JPEG")
    return buffer.getvalue()


def packets(path: Path) -> list[tuple[str, int, int]]:
    """Return stream type, byte position and size of each packet in ``path``."""
    with av.open(str(path)) as container:
        found: list[Any] = [packet for packet in container.demux() if packet.size]
        return [(packet.stream.type, packet.pos, packet.size) for packet in found]


def drain(source: QueuedSource) -> list[Media]:
    """Return everything ``source`` gives, to its last word."""
    with source:
        return rest(source)


def rest(source: QueuedSource) -> list[Media]:
    """Return what ``source`` still gives, to its last word."""
    media: list[Media] = []
    while (item := source.read()) is not None:
        media.append(item)
    return media


def sound(media: list[Media]) -> list[AudioChunk]:
    return [item for item in media if isinstance(item, AudioChunk)]


def video_frames(media: list[Media]) -> list[VideoFrame]:
    return [item for item in media if isinstance(item, VideoFrame)]


def statuses(media: list[Media]) -> list[SourceStatus]:
    return [item for item in media if isinstance(item, SourceStatus)]


def codes(media: list[Media]) -> list[str]:
    return [status.code for status in statuses(media)]


def is_seamless(chunks: list[AudioChunk]) -> bool:
    """Return whether each chunk begins where the one before ends."""
    return all(abs(late.time_ms - early.end_ms) < 1e-6 for early, late in pairwise(chunks))
