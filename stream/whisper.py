"""Whisper, by faster-whisper: one stretch of sound to words that its guards let through."""

import logging
import math
import os
from typing import Final

import ctranslate2
import numpy as np
from faster_whisper.transcribe import Segment as Stretch

from stream.asr_model import OFFLINE_MODEL, AsrModelError, find_model
from stream.guards import Passage, rejection
from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, Samples
from stream.settings import TranscriberSettings
from stream.short_window import ShortWindowModel, window_frames
from stream.transcript import Transcript, Word

_log: Final = logging.getLogger(__name__)

_LEAD_MS: Final = 100  # of silence put before the sound: the first word is recognized better
_TEMPERATURES: Final = (0.0, 0.4)  # one more try, not five: a hard stretch would take seconds
_TOKENS_PER_S: Final = 12  # faster than anybody talks; stops loops early
_MIN_TOKENS: Final = 32
_MAX_TOKENS: Final = 224  # in 30 s: half of what the network can hold, as Whisper itself limits it


class Whisper:
    """A loaded model; ``device`` is where it ended up, ``name`` is for people. For one thread at a time.

    Raises:
        AsrModelError: there is no such model, it does not load, or it does not speak the language.
    """

    def __init__(self, settings: TranscriberSettings) -> None:
        self._settings = settings
        folder = find_model(settings.model)
        self._model, self.device = _load(str(folder), settings)
        self.name = f"whisper {settings.model or OFFLINE_MODEL} on {self.device}"
        try:
            self.check_language(settings.language)
        except ValueError as error:
            raise AsrModelError(str(error)) from error

    def check_language(self, language: str | None) -> None:
        """Do nothing when the model knows the language.

        Raises:
            ValueError: it does not.
        """
        if language is not None and language not in self._model.supported_languages:
            only = " (it knows only English)" if not self._model.model.is_multilingual else ""
            message = (
                f"{self.name} does not know the language {language!r}{only}; set transcriber.language to one it "
                "knows, or transcriber.model to a multilingual one such as base or small"
            )
            raise ValueError(message)

    def transcribe(self, samples: Samples, start_ms: float, language: str | None = None) -> Transcript:
        """Return the words of ``(n,)`` float32 samples at 16 kHz of any length, with media times.

        Raises:
            ValueError: the samples have another shape.
        """
        if samples.ndim != 1:
            message = f"sound is (n,) samples, got {samples.shape}"
            raise ValueError(message)
        duration_ms = len(samples) / SAMPLES_PER_MS
        padded = np.pad(samples, (_LEAD_MS * SAMPLES_PER_MS, 0))
        self._model.frames = window_frames(len(padded), self._settings.trailing_silence_ms)
        stretches, info = self._model.transcribe(
            padded,
            language=language or self._settings.language,
            beam_size=self._settings.beam_size,
            best_of=1,
            temperature=list(_TEMPERATURES),
            compression_ratio_threshold=self._settings.compression_ratio_threshold,
            log_prob_threshold=self._settings.log_probability_threshold,
            no_speech_threshold=None,  # ours says why; faster-whisper's drops without a word
            condition_on_previous_text=False,
            word_timestamps=True,
            max_new_tokens=_token_limit(len(samples)),
            vad_filter=False,  # the segmenter's VAD has done it
        )
        passages = [_passage(stretch) for stretch in stretches]
        return _guarded(passages, start_ms, duration_ms, info.language, self._settings)


def _load(folder: str, settings: TranscriberSettings) -> tuple[ShortWindowModel, str]:
    """Load onto the GPU if there is one it can use, else onto the CPU, with a warning that says why."""
    if settings.device == "cpu" or (settings.device == "auto" and not ctranslate2.get_cuda_device_count()):
        return _load_on(folder, "cpu", settings), "cpu"
    try:
        return _load_on(folder, "cuda", settings), "cuda"
    except AsrModelError as error:
        if settings.device == "cuda":
            raise
        _log.warning("%s; speech recognition uses the CPU", error)
        return _load_on(folder, "cpu", settings), "cpu"


def _load_on(folder: str, device: str, settings: TranscriberSettings) -> ShortWindowModel:
    default = "int8" if device == "cpu" else "float16"
    compute_type = default if settings.compute_type == "default" else settings.compute_type
    try:
        model = ShortWindowModel(
            folder, device, compute_type=compute_type, cpu_threads=settings.threads or _half_the_cores()
        )
        _try_out(model)
    except (RuntimeError, ValueError, OSError) as error:
        message = f"the speech model in {folder} does not run on {device} as {compute_type}: {error}"
        raise AsrModelError(message) from error
    return model


def _try_out(model: ShortWindowModel) -> None:
    """Run once: CUDA libraries that are missing show only then, and the first run is slow."""
    stretches, _ = model.transcribe(np.zeros(SAMPLE_RATE, np.float32), language="en", max_new_tokens=1, temperature=0.0)
    list(stretches)


def _half_the_cores() -> int:
    return max(1, (os.cpu_count() or 2) // 2)


def _token_limit(samples: int) -> int:
    return min(_MAX_TOKENS, _MIN_TOKENS + math.ceil(samples / SAMPLE_RATE * _TOKENS_PER_S))


def _passage(stretch: Stretch) -> Passage:
    """Return a stretch as the guards take it; its times still begin at the lead."""
    words = tuple(
        Word(word.word.strip(), float(word.start) * 1000, float(word.end) * 1000, float(word.probability))
        for word in stretch.words or ()
    )
    return Passage(
        words=words,
        text=stretch.text.strip(),
        no_speech_probability=stretch.no_speech_prob,
        mean_log_probability=stretch.avg_logprob,
        compression_ratio=stretch.compression_ratio,
    )


def _guarded(
    passages: list[Passage], start_ms: float, duration_ms: float, language: str, settings: TranscriberSettings
) -> Transcript:
    """Return what is believed; rejected only if nothing is."""
    reasons = [rejection(passage, settings) for passage in passages]
    for reason in filter(None, reasons):
        _log.info("words at %.0f ms not believed: %s", start_ms, reason)
    kept = [passage for passage, reason in zip(passages, reasons, strict=True) if reason is None]
    if not kept:
        return Transcript("", (), language, next((reason for reason in reasons if reason), "no words"))
    words = tuple(_in_media_time(word, start_ms, duration_ms) for passage in kept for word in passage.words)
    return Transcript(" ".join(passage.text for passage in kept), words, language)


def _in_media_time(word: Word, start_ms: float, duration_ms: float) -> Word:
    """Return the word with its times within the sound: the model's may lie in the lead or beyond the end."""
    start, end = (min(max(time - _LEAD_MS, 0.0), duration_ms) for time in (word.start_ms, word.end_ms))
    return Word(word.text, start_ms + start, start_ms + max(start, end), word.probability)
