"""Telling recognized words from invented ones: Whisper puts words to noise too. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from faster_whisper.transcribe import get_compression_ratio

from stream.settings import TranscriberSettings
from stream.speech.repetition import bare
from stream.speech.transcript import Word, mean_probability, text_of

_INVENTED: Final = frozenset(
    {
        "you",
        "thank you",
        "thank you very much",
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "bye",
        "bye bye",
        "oh",
        "so",
        "the",
        "the end",
        "i",
        "hmm",
        "music",
        "applause",
        "vielen dank",
        "untertitel der amara org community",
        "sous titres réalisés par la communauté d amara org",
    }
)
"""What the model says to noise, from its training on subtitles; people say it too, so it is never enough alone."""

_UNSURE: Final = 0.5  # mean probability of the words
_HOPELESS: Final = 1.0  # so far below the log-probability threshold the words are chance
_MAX_CHARACTERS_PER_S: Final = 45.0  # twice what fast speakers reach
_USUAL_CHARACTERS_PER_S: Final = 25.0  # more than nearly all speakers
_SLOWEST_CHARACTERS_PER_S: Final = 3.0
_LEAST_FILLED: Final = 0.4  # of a sound, without the silence at its ends
_LEAST: Final = 1e-6  # probability of a word
_SHORTEST_MS: Final = 500.0  # the times of a few short words may be that much too close


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of words and what the model says of them; times only matter to each other."""

    words: tuple[Word, ...]
    text: str
    no_speech_probability: float
    mean_log_probability: float
    compression_ratio: float

    @classmethod
    def of(cls, words: Sequence[Word], no_speech_probability: float) -> "Passage":
        """Return the passage of some of the words that were heard together, judged by the probability of each."""
        text = text_of(tuple(words))
        likely = [math.log(max(word.probability, _LEAST)) for word in words]
        return cls(
            words=tuple(words),
            text=text,
            no_speech_probability=no_speech_probability,
            mean_log_probability=sum(likely) / len(likely) if likely else -math.inf,
            compression_ratio=get_compression_ratio(text),
        )


def is_invented(text: str) -> bool:
    """Return whether a text is one of those that the model says to noise."""
    return bare(text) in _INVENTED


def rejection(passage: Passage, settings: TranscriberSettings) -> str | None:
    """Return why these words are not to be believed, or None.

    A low probability alone rejects only when it is hopeless: shouts and sobs are recognized with doubt too.
    """
    text = bare(passage.text)
    if not text or not passage.words:
        return "no words"
    if _no_speech(passage, text, settings):
        return "no speech"
    if passage.mean_log_probability < settings.log_probability_threshold - _HOPELESS:
        return "not understood"
    if passage.compression_ratio > settings.compression_ratio_threshold:
        return "repetition"
    if len(text) > _MAX_CHARACTERS_PER_S * _duration_ms(passage.words) / 1000:
        return "faster than speech"
    return None


def in_doubt(passages: Sequence[Passage], settings: TranscriberSettings) -> bool:
    """Return whether what was heard with little silence should be heard again in the whole window.

    It should where there are no words, where some are not to be believed, and where some are less likely than
    ``retry_log_probability``: words that are lost with too little silence are replaced by ones of which the model is
    unsure.
    """
    return not passages or any(
        passage.mean_log_probability < settings.retry_log_probability or rejection(passage, settings) is not None
        for passage in passages
    )


def in_doubt_beside_others(passage: Passage, sound_ms: float, settings: TranscriberSettings) -> bool:
    """Return whether words of one of several sounds that were heard together should be heard again, in it alone.

    Besides what leaves any words in doubt: the model is unsure of them, they are such as it says to noise, or they do
    not fill the time in which somebody spoke, or are too many for it: then some are those of the sound before or after.

    Args:
        passage: the words.
        sound_ms: how long the sound is.
        settings: of speech recognition.
    """
    if in_doubt([passage], settings) or is_invented(passage.text):
        return True
    letters, voiced_ms = len(bare(passage.text)), sound_ms - _SHORTEST_MS
    spoken_ms = passage.words[-1].end_ms - passage.words[0].start_ms
    few = spoken_ms < _LEAST_FILLED * voiced_ms or letters < _SLOWEST_CHARACTERS_PER_S * voiced_ms / 1000
    many = letters > _USUAL_CHARACTERS_PER_S * max(spoken_ms, _SHORTEST_MS) / 1000
    return few or many or mean_probability(passage.words) < settings.word_probability


def doubt(passages: Sequence[Passage], settings: TranscriberSettings) -> str | None:
    """Return why words that were heard as well as can be are likely not what was said, or None.

    Of another language than the model knows, it makes words of its own: it finds them less likely than
    ``retry_log_probability`` and is on average less sure of each than ``word_probability``.
    """
    words = tuple(word for passage in passages for word in passage.words)
    if not words or mean_probability(words) >= settings.word_probability:
        return None
    likely = sum(len(passage.words) * passage.mean_log_probability for passage in passages) / len(words)
    return "not understood" if likely < settings.retry_log_probability else None


def is_silence(reason: str) -> bool:
    """Return whether words that were rejected for this reason mean that nobody spoke."""
    return reason in {"no words", "no speech"}


def _no_speech(passage: Passage, text: str, settings: TranscriberSettings) -> bool:
    if passage.no_speech_probability <= settings.no_speech_threshold:
        return False
    unlikely = passage.mean_log_probability < settings.log_probability_threshold
    return unlikely or (is_invented(text) and mean_probability(passage.words) < _UNSURE)


def _duration_ms(words: tuple[Word, ...]) -> float:
    return max(words[-1].end_ms - words[0].start_ms, _SHORTEST_MS)
