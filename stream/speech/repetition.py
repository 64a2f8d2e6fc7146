"""Telling words said again from a recogniser's loops: Whisper repeats what it is unsure of. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from stream.speech.transcript import Transcript, Word

_LONGEST: Final = 6  # words in what is repeated
_FEWEST: Final = 3  # times that it stands there
_MS_PER_LETTER: Final = 40.0  # what the fastest speakers take
_SHORT: Final = 3  # words of an utterance that may be a loop over several
_SURE: Final = 0.8  # mean probability from which on a short utterance is said again and again


def bare(text: str) -> str:
    """Return the text in small letters, without punctuation and with single blanks."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def without_loops(words: Sequence[Word], end_ms: float) -> tuple[Word, ...]:
    """Return the words without repetitions that had no time to be spoken before the next word.

    Of what stands there three times or more in a row, each time needs some; people do say no, no, no.

    Args:
        words: of one sound.
        end_ms: where the sound ends, in the time of the words.
    """
    kept = tuple(words)
    for length in range(1, _LONGEST + 1):
        kept = _without_loops_of(kept, length, end_ms)
    return kept


def _without_loops_of(words: tuple[Word, ...], length: int, end_ms: float) -> tuple[Word, ...]:
    texts = [bare(word.text) for word in words]
    kept: list[Word] = []
    first = 0
    while first < len(words):
        times = _times(texts, first, length)
        if times < _FEWEST:
            kept.append(words[first])
            first += 1
            continue
        units = [first + number * length for number in range(times)]
        spoken = [at for at in units if _had_time(words, texts, at, at + length, end_ms)] or units[:1]
        kept += [word for at in spoken for word in words[at : at + length]]
        first = units[-1] + length
    return tuple(kept)


def _times(texts: Sequence[str], first: int, length: int) -> int:
    """Return how often the words at ``first`` stand there in a row."""
    unit = texts[first : first + length]
    if len(unit) < length or not any(unit):
        return 1
    times = 1
    while texts[first + times * length : first + (times + 1) * length] == unit:
        times += 1
    return times


def _had_time(words: Sequence[Word], texts: Sequence[str], first: int, after: int, end_ms: float) -> bool:
    """Return whether the words before ``after`` could be spoken until the next began; their own ends are guesses."""
    next_ms = words[after].start_ms if after < len(words) else end_ms
    return next_ms - words[first].start_ms >= _MS_PER_LETTER * sum(map(len, texts[first:after]))


class RepetitionGuard:
    """Finds the same short words in utterance after utterance, of which the recogniser is not sure."""

    def __init__(self) -> None:
        self._before: deque[str] = deque(maxlen=_FEWEST - 1)

    def holds(self, transcript: Transcript) -> bool:
        """Return whether these words are those of each of the last utterances, and unsure."""
        said = bare(transcript.text)
        repeated = len(self._before) == self._before.maxlen and set(self._before) == {said}
        return repeated and 0 < len(transcript.words) <= _SHORT and transcript.mean_probability < _SURE

    def keep(self, text: str) -> None:
        """Take the words that were heard in an utterance that has ended."""
        self._before.append(bare(text))
