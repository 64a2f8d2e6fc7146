"""What the transcriber says about a stretch of sound. Times are media time in milliseconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its punctuation and without blanks; ``probability`` is the model's own, in [0, 1]."""

    text: str
    start_ms: float
    end_ms: float
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one stretch; ``rejected`` says why there are none, and is None when there are some."""

    text: str
    words: tuple[Word, ...]
    language: str
    rejected: str | None = None
