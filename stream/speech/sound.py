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
