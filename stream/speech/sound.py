"""A piece of sound, as it is heard."""

from dataclasses import dataclass

from stream.media import SAMPLES_PER_MS, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """``(n,)`` float32 samples at 16 kHz, and the media time of the first.

    Raises:
        ValueError: the samples have another shape.
    """

    samples: Samples
    start_ms: float

    def __post_init__(self) -> None:
        if self.samples.ndim != 1:
            message = f"sound is (n,) samples, got {self.samples.shape}"
            raise ValueError(message)

    @property
    def duration_ms(self) -> float:
        """Return how long it lasts."""
        return len(self.samples) / SAMPLES_PER_MS

    @property
    def end_ms(self) -> float:
        """Return the media time just after the last sample."""
        return self.start_ms + self.duration_ms

    def between(self, start_ms: float, end_ms: float) -> Samples | None:
        """Return the sound from one media time to another, None where it is not all there."""
        start, end = (round((time_ms - self.start_ms) * SAMPLES_PER_MS) for time_ms in (start_ms, end_ms))
        return self.samples[start:end] if 0 <= start < end <= len(self.samples) else None
