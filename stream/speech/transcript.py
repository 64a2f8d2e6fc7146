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
    """The words of one stretch, or why there are none.

    Attributes:
        rejected: why there are none: nobody said any.
        doubted: why there are none though somebody spoke: the model does not believe those it found.
    """

    text: str
    words: tuple[Word, ...]
    language: str
    rejected: str | None = None
    doubted: str | None = None

    @property
    def mean_probability(self) -> float:
        """Return how sure the model is of a word, on average; 0 of no words."""
        return mean_probability(self.words)


def mean_probability(words: tuple[Word, ...]) -> float:
    """Return the mean probability of words; 0 of none."""
    return sum(word.probability for word in words) / len(words) if words else 0.0


def text_of(words: tuple[Word, ...]) -> str:
    """Return words as one text."""
    return " ".join(word.text for word in words)
