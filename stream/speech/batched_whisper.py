"""Whisper's hearings without drawing lots; the first takes several sounds in one call of encoder and decoder.

faster-whisper's own batches pass over what its way of hearing one sound does: they judge no result, mix up the pauses
of different sounds, and do not say where the words end before the sound does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import Segment as Stretch
from faster_whisper.transcribe import TranscriptionOptions, get_compression_ratio, get_suppressed_tokens
from faster_whisper.transcribe import Word as StretchWord

from stream.media import Samples

_OPENING: Final = "\"'“¿([{-"  # belongs to the next word, as in faster-whisper
_CLOSING: Final = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - … and this to the one before
_SECOND_TRY: Final[dict[str, int]] = {"beam_size": 5, "no_repeat_ngram_size": 3}

Tried = tuple[ctranslate2.models.WhisperGenerationResult, float, float, float]
"""What came of one try, its mean log-probability, its temperature and its compression ratio."""


@dataclass(frozen=True, slots=True, eq=False)
class TranscriptionResult:
    """What was heard in one sound, in how many tokens; ``complete``: the model says that no speech is left after it."""

    stretches: list[Stretch]
    tokens: int
    complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """One sound's tokens, cut into stretches at their time stamps, before the words have times."""

    parts: list[dict[str, Any]]
    result: ctranslate2.models.WhisperGenerationResult
    mean_log_probability: float
    complete: bool

    def text_tokens(self, end: int) -> list[int]:
        return [token for part in self.parts for token in part["tokens"] if token < end]


class _Aligned:
    """A model's stand-in that has one sound's alignment, for faster-whisper's making of word times.

    Given several sounds, faster-whisper takes the end of one as what comes before the next.
    """

    def __init__(self, alignment: list[dict[str, Any]], frames_per_second: int) -> None:
        self._alignment = alignment
        self.frames_per_second = frames_per_second

    def find_alignment(self, *_: object) -> list[list[dict[str, Any]]]:
        return [self._alignment]


class BatchedWhisper(WhisperModel):  # type: ignore[misc]  # faster-whisper has no types
    """A Whisper model that can also hear several short sounds at once.

    Written for the CPU and CUDA alike; it has run on the CPU only.
    """

    def hear(
        self, sounds: Sequence[Samples], frames: int, *, language: str, beam_size: int, max_tokens: int
    ) -> list[TranscriptionResult]:
        """Hear sounds ``(n,)`` at 16 kHz in a window of ``frames`` hundredths of a second, which holds the longest.

        Times are seconds from the start of each sound. Nothing is tried again at a higher temperature.

        Args:
            sounds: at least one.
            frames: at most 3,000.
            language: ISO 639-1 code of all of them.
            beam_size: 1 takes the likeliest token each time.
            max_tokens: of each; a sound that needs more is not complete.

        Raises:
            RuntimeError: CTranslate2 fails, as when the memory of the device is too small.
        """
        hop = self.feature_extractor.hop_length
        features = [self.feature_extractor(sound)[:, : len(sound) // hop] for sound in sounds]
        lengths = [one.shape[-1] for one in features]
        tokenizer = Tokenizer(self.hf_tokenizer, self.model.is_multilingual, task="transcribe", language=language)
        encoded = self.encode(np.stack([_padded(one, frames) for one in features]))
        results = self._generate(encoded, len(sounds), tokenizer, beam_size, max_tokens)
        drafts = [self._draft(result, length, tokenizer) for result, length in zip(results, lengths, strict=True)]
        tokens = [draft.text_tokens(tokenizer.eot) for draft in drafts]
        alignments = self.find_alignment(tokenizer, tokens, encoded, lengths)
        return [self._hearing(draft, alignment, tokenizer) for draft, alignment in zip(drafts, alignments, strict=True)]

    def generate_with_fallback(
        self,
        encoder_output: ctranslate2.StorageView,
        prompt: list[int],
        tokenizer: Tokenizer,
        options: TranscriptionOptions,
    ) -> Tried:
        """Hear once more, in several ways at once and without repetitions, where the words are unlikely or repeat.

        faster-whisper's own second try draws lots: the same sound would have other words each time.
        """
        first: Tried = super().generate_with_fallback(encoder_output, prompt, tokenizer, options)
        if _is_plain(first, options) and first[1] >= options.log_prob_threshold:
            return first
        other = replace(options, **_SECOND_TRY)
        second: Tried = super().generate_with_fallback(encoder_output, prompt, tokenizer, other)
        result, likely, temperature, ratio = max(first, second, key=lambda tried: (_is_plain(tried, options), tried[1]))
        return result, min(likely, first[1]), temperature, ratio  # searching more makes words likelier, not truer

    def _generate(
        self, encoded: ctranslate2.StorageView, count: int, tokenizer: Tokenizer, beam_size: int, max_tokens: int
    ) -> list[ctranslate2.models.WhisperGenerationResult]:
        prompt = self.get_prompt(tokenizer, [])
        results: list[ctranslate2.models.WhisperGenerationResult] = self.model.generate(
            encoded,
            [prompt] * count,
            beam_size=beam_size,
            max_length=min(len(prompt) + max_tokens, self.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        )
        return results

    def _draft(self, result: ctranslate2.models.WhisperGenerationResult, frames: int, tokenizer: Tokenizer) -> _Draft:
        tokens = result.sequences_ids[0]
        parts, _, complete = self._split_segments_by_timestamps(
            tokenizer=tokenizer,
            tokens=tokens,
            time_offset=0.0,
            segment_size=frames,
            segment_duration=frames / self.frames_per_second,
            seek=0,
        )
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)  # the end counts too
        return _Draft(parts, result, log_probability, complete)

    def _hearing(self, draft: _Draft, alignment: list[dict[str, Any]], tokenizer: Tokenizer) -> TranscriptionResult:
        aligned = _Aligned(alignment, self.frames_per_second)
        WhisperModel.add_word_timestamps(aligned, [draft.parts], tokenizer, None, 0, _OPENING, _CLOSING, 0.0)
        ratio = get_compression_ratio(tokenizer.decode(draft.result.sequences_ids[0]).strip())
        texts = [tokenizer.decode(part["tokens"]) for part in draft.parts]
        stretches = [
            _stretch(number, part, text, draft, ratio)
            for number, (part, text) in enumerate(zip(draft.parts, texts, strict=True), 1)
            if text.strip() and part["start"] != part["end"]
        ]
        return TranscriptionResult(stretches, len(draft.result.sequences_ids[0]), draft.complete)


def _is_plain(tried: Tried, options: TranscriptionOptions) -> bool:
    return bool(tried[3] <= options.compression_ratio_threshold)


def _padded(features: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float32]:
    padded: npt.NDArray[np.float32] = pad_or_trim(features, frames)
    return padded


def _stretch(number: int, part: dict[str, Any], text: str, draft: _Draft, ratio: float) -> Stretch:
    return Stretch(
        id=number,
        seek=0,
        start=part["start"],
        end=part["end"],
        text=text,
        tokens=part["tokens"],
        avg_logprob=draft.mean_log_probability,
        compression_ratio=ratio,
        no_speech_prob=draft.result.no_speech_prob,
        words=[StretchWord(**word) for word in part["words"]],
        temperature=0.0,
    )
