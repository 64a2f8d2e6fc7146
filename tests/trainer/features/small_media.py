"""Media files for the decoding tests: numbered images, broken and lopsided clips, and networks that cost nothing."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor, nn

from models.text_input import Turn
from trainer.data.conversation import Clip, Conversations, Utterance
from trainer.features.extractors import Extractors

BITS = 10
FPS = 25
TONE_HZ = 440


def utterance(name: str = "u", **clip: object) -> Utterance:
    return Utterance(name, Turn("Anna", "I am here."), 0, Clip(**clip))  # type: ignore[arg-type] # a test's shorthand


def conversations(*utterances: Utterance) -> Conversations:
    return Conversations("tiny", "dev", ("calm", "upset"), (utterances,))


def numbered_video(path: Path, seconds: float, *, sound: bool = False, codec: str = "mpeg4") -> Path:
    """Write images that show their own number, upright in the left half and negated in the right one."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=FPS)
        video.width, video.height, video.pix_fmt, video.gop_size = 2 * 16 * BITS, 64, "yuv420p", 100
        video.codec_context.max_b_frames = 2
        audio = container.add_stream("pcm_s16le" if path.suffix == ".avi" else "aac", rate=16_000, layout="mono")
        for number in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(_numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            container.mux(audio.encode(_tone(seconds)))
        container.mux(audio.encode(None))
    return path


def silent_video(path: Path, seconds: float) -> Path:
    """Write images without a stream of sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        for _ in range(round(seconds * FPS)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
    return path


def tone(path: Path, seconds: float) -> Path:
    """Write sound alone."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        container.mux(audio.encode(_tone(seconds)))
        container.mux(audio.encode(None))
    return path


def number_in(image: np.ndarray) -> int:
    """Read the number of an image, or of its left half."""
    return sum(int(image[24:40, 16 * bit + 4 : 16 * bit + 12].mean() > 128) << bit for bit in range(BITS))


def _numbered(number: int) -> np.ndarray:
    half = np.zeros((64, 16 * BITS, 3), np.uint8)
    for bit in range(BITS):
        half[:, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    return np.concatenate([half, 255 - half], axis=1)


def _tone(seconds: float) -> av.AudioFrame:
    """Return a tone whose loudness rises from nothing to full over its length."""
    at = np.arange(round(seconds * 16_000)) / 16_000
    wave = np.sin(2 * np.pi * TONE_HZ * at) * at / seconds
    frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
    return frame


class Loudness(nn.Module):
    """Stands for an audio network: the embedding is the mean and the largest of what it is given, times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.calls = 0

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += len(sounds)
        found = torch.stack([sounds.abs().mean(dim=1), sounds.abs().amax(dim=1)], dim=1) * self.weight
        return found, -found


def as_they_are(sounds: list[np.ndarray]) -> np.ndarray:
    return np.stack(sounds)


def ears(network: Loudness) -> Extractors:
    """Return extractors that only hear, at no cost."""
    return Extractors(audio=network, audio_input=as_they_are)  # type: ignore[arg-type] # lists are sequences
