"""What a source yields: sound, frames, and what happened to the source. Times are media time."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

SAMPLE_RATE: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE // 1000

Samples = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """Sound of any length: ``(n,)`` float32 in [-1, 1], 16 kHz mono; ``time_ms`` is its first sample's.

    ``arrived_s``: when it came to this machine, by the monotonic clock, before it waited anywhere; None: not noted.
    """

    time_ms: float
    samples: Samples
    arrived_s: float | None = None

    @property
    def end_ms(self) -> float:
        """Return the media time just after the last sample."""
        return self.time_ms + len(self.samples) / SAMPLES_PER_MS


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame: ``(height, width, 3)`` uint8 RGB; ``arrived_s`` as that of sound."""

    time_ms: float
    image: Image
    arrived_s: float | None = None

    @property
    def coarse(self) -> Image:
        """Return the image for what needs no detail: as it is, or smaller where that is much cheaper to have."""
        return self.image

    @property
    def weight(self) -> int:
        """Return the bytes it takes while it waits."""
        return self.image.nbytes


StatusKind = Literal["opened", "reconnecting", "warning", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Something that happened to a source; ``ended`` and ``failed`` are its last word.

    ``code`` is stable and machine-readable (``camera.lost``); ``message`` says what to do.
    ``has_sound``: of one that was opened, whether sound is to be expected of it; None where that is not known.
    """

    kind: StatusKind
    code: str
    message: str
    has_sound: bool | None = None

    @property
    def final(self) -> bool:
        """Return whether nothing comes after it."""
        return self.kind in {"ended", "failed"}


Media = AudioChunk | VideoFrame | SourceStatus


@dataclass(frozen=True, slots=True)
class DropCounts:
    """How much a live source threw away because nobody read it in time."""

    audio_chunks: int = 0
    video_frames: int = 0

    def __add__(self, other: "DropCounts") -> "DropCounts":
        return DropCounts(self.audio_chunks + other.audio_chunks, self.video_frames + other.video_frames)
