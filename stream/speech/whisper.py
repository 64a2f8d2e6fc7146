"""Whisper, by faster-whisper: stretches of sound to words that its guards let through.

Each is first heard with little silence after it, which takes a third of the time, several of them at once where that
is faster. Where that leaves a doubt, the stretch is heard again in the whole window of 30 s, alone.
"""

import logging
import math
import os
from collections.abc import Iterator, Sequence
from typing import Final

import ctranslate2
import numpy as np
from faster_whisper.transcribe import Segment as Stretch

from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, Samples
from stream.settings import TranscriberSettings
from stream.speech.asr_model import OFFLINE_MODEL, AsrModelError, find_model
from stream.speech.batched_whisper import BatchedWhisper
from stream.speech.guards import Passage, doubt, in_doubt, in_doubt_beside_others, is_silence, rejection
from stream.speech.pack import Pack
from stream.speech.repetition import without_loops
from stream.speech.sound import Sound
from stream.speech.transcript import Transcript, Word, text_of

_log: Final = logging.getLogger(__name__)

_LEAD_MS: Final = 100  # of silence put before the sound: the first word is recognized better
_TOKENS_PER_S: Final = 12  # faster than anybody talks; stops loops early
_MIN_TOKENS: Final = 32
_MAX_TOKENS: Final = 224  # in 30 s: half of what the network can hold, as Whisper itself limits it
WHOLE_FRAMES: Final = 3000  # of Whisper's window of 30 s
_FRAMES_PER_S: Final = 100
_STEP_FRAMES: Final = 50
_PACK_SILENCE_MS: Final = 4_000  # after several sounds in one window, or a long one
_LONG_MS: Final = 8_000
_REST_MS: Final = 1_500  # of a sound after its last word, in which hardly another was said
_WINDOW_SAMPLES: Final = WHOLE_FRAMES * SAMPLE_RATE // 100
_MAX_BATCH: Final = {"cpu": 1, "cuda": 16}


def window_frames(samples: int, silence_ms: int) -> int:
    """Return how many of the 3,000 frames hold a sound and the silence after it; all of them for a longer one.

    Whisper was trained on windows of 30 s, with silence after a shorter sound. An utterance takes a few seconds, and
    the encoder's work grows with the window; but with too little silence the model repeats or drops words
    (benchmarks/asr_window.py), so some is left.
    """
    wanted = (samples / SAMPLE_RATE + silence_ms / 1000) * _FRAMES_PER_S
    return min(WHOLE_FRAMES, math.ceil(wanted / _STEP_FRAMES) * _STEP_FRAMES)


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
            ValueError: it does not; the message has those it knows, and nothing that a client may not be told.
        """
        known = sorted(self._model.supported_languages)
        if language is not None and language not in known:
            which = ", ".join(known) if self._model.model.is_multilingual else "only English (en)"
            message = (
                f"the speech model does not know the language {language!r}, it knows {which}; another model is chosen "
                "with transcriber.model, a multilingual one such as base or small"
            )
            raise ValueError(message)

    @property
    def max_batch(self) -> int:
        """Return how many sounds are best heard together at most, by the settings or else the device."""
        return self._settings.max_batch or _MAX_BATCH[self.device]

    def told_language(self, language: str | None) -> str | None:
        """Return the language that is to be heard, given or set or the only one; None: it has to be detected."""
        return language or self._settings.language or (None if self._model.model.is_multilingual else "en")

    def transcribe(self, samples: Samples, start_ms: float, language: str | None = None) -> Transcript:
        """Return the words of ``(n,)`` float32 samples at 16 kHz of any length, with media times.

        Raises:
            ValueError: the samples have another shape.
        """
        sound = Sound(samples, start_ms)
        return self.hear([sound], language)[0] or self.hear_again(sound, language)

    def hear(self, sounds: Sequence[Sound], language: str | None = None) -> list[Transcript | None]:
        """Return what is surely heard in each sound with little silence after it, all in one call of the network.

        None stands for doubt, or for a sound longer than the window: :meth:`hear_again` takes these, one at a time.
        Without a language, one that has to be detected is that of the first sound.

        Raises:
            RuntimeError: the device fails, for instance for lack of memory.
        """
        short = [sound for sound in sounds if _fits(sound)]
        heard = iter(self._hear_short(short, language) if short else ())
        return [next(heard) if _fits(sound) else None for sound in sounds]

    def hear_pack(self, pack: Pack, language: str | None = None) -> list[Transcript | None]:
        """Return what is surely heard in each sound of a pack, all of it in one window of the network.

        None stands for doubt, as in :meth:`hear`: whoever asks has such a sound heard alone.

        Raises:
            RuntimeError: the device fails, for instance for lack of memory.
        """
        whole = Sound(pack.samples, 0.0)
        spoken = self.told_language(language)
        if spoken is None or not _fits(whole) or (len(pack.sounds) == 1 and whole.duration_ms < _LONG_MS):
            return [self.hear([sound], language)[0] for sound in pack.sounds]
        samples = _with_lead(whole)
        frames = window_frames(len(samples), min(self._settings.trailing_silence_ms, _PACK_SILENCE_MS))
        limit = _token_limit(len(samples))
        (hearing,) = self._model.hear(
            [samples], frames, language=spoken, beam_size=self._settings.beam_size, max_tokens=limit
        )
        passages = [_passage(stretch, whole) for stretch in hearing.stretches]
        no_speech = max((passage.no_speech_probability for passage in passages), default=1.0)
        heard = pack.apart(_words(passages))
        whole_until = len(heard) if hearing.complete and hearing.tokens < limit else _heard_whole(heard, pack)
        return [
            self._sure(Passage.of(words, no_speech), sound, spoken) if place < whole_until else None
            for place, (words, sound) in enumerate(zip(heard, pack.sounds, strict=True))
        ]

    def _sure(self, passage: Passage, sound: Sound, language: str) -> Transcript | None:
        """Return the words of one sound of several, without those said again in no time; None: they leave a doubt."""
        if in_doubt_beside_others(passage, sound.duration_ms, self._settings):
            return None
        return _without_loops([passage], sound, language)

    def hear_again(self, sound: Sound, language: str | None = None) -> Transcript:
        """Return the words of one sound of any length, heard in Whisper's whole windows, with a second try."""
        stretches, info = self._model.transcribe(
            _with_lead(sound),
            language=self.told_language(language),
            beam_size=self._settings.beam_size,
            temperature=0.0,
            compression_ratio_threshold=self._settings.compression_ratio_threshold,
            log_prob_threshold=self._settings.log_probability_threshold,
            no_speech_threshold=None,  # ours says why; faster-whisper's drops without a word
            condition_on_previous_text=False,
            word_timestamps=True,
            max_new_tokens=_token_limit(len(sound.samples)),
            vad_filter=False,  # the segmenter's VAD has done it
        )
        return _guarded([_passage(stretch, sound) for stretch in stretches], sound, info.language, self._settings)

    def _hear_short(self, sounds: Sequence[Sound], language: str | None) -> Iterator[Transcript | None]:
        padded = [_with_lead(sound) for sound in sounds]
        spoken = self.told_language(language) or str(self._model.detect_language(padded[0])[0])
        limits = [_token_limit(len(sound.samples)) for sound in sounds]
        hearings = self._model.hear(
            padded,
            max(window_frames(len(samples), self._settings.trailing_silence_ms) for samples in padded),
            language=spoken,
            beam_size=self._settings.beam_size,
            max_tokens=max(limits),
        )
        for sound, hearing, limit in zip(sounds, hearings, limits, strict=True):
            passages = [_passage(stretch, sound) for stretch in hearing.stretches]
            whole = hearing.complete and hearing.tokens < limit
            sure = whole and not in_doubt(passages, self._settings) and not _loops(passages, sound)
            yield _guarded(passages, sound, spoken, self._settings) if sure else None


def _heard_whole(words: Sequence[tuple[Word, ...]], pack: Pack) -> int:
    """Return how many sounds were heard to their end, where the model says that something is left after its words."""
    last = max((place for place, each in enumerate(words) if each), default=0)
    to_its_end = words[last] and pack.sounds[last].end_ms - words[last][-1].end_ms <= _REST_MS
    return last + 1 if to_its_end else last


def _fits(sound: Sound) -> bool:
    return len(sound.samples) + _LEAD_MS * SAMPLES_PER_MS <= _WINDOW_SAMPLES


def _with_lead(sound: Sound) -> Samples:
    return np.pad(sound.samples, (_LEAD_MS * SAMPLES_PER_MS, 0))


def _load(folder: str, settings: TranscriberSettings) -> tuple[BatchedWhisper, str]:
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


def _load_on(folder: str, device: str, settings: TranscriberSettings) -> BatchedWhisper:
    default = "int8" if device == "cpu" else "float16"
    compute_type = default if settings.compute_type == "default" else settings.compute_type
    try:
        model = BatchedWhisper(
            folder, device, compute_type=compute_type, cpu_threads=settings.threads or _half_the_cores()
        )
        _try_out(model)
    except (RuntimeError, ValueError, OSError) as error:
        message = f"the speech model in {folder} does not run on {device} as {compute_type}: {error}"
        raise AsrModelError(message) from error
    return model


def _try_out(model: BatchedWhisper) -> None:
    """Run once: CUDA libraries that are missing show only then, and the first run is slow."""
    stretches, _ = model.transcribe(np.zeros(SAMPLE_RATE, np.float32), language="en", max_new_tokens=1, temperature=0.0)
    list(stretches)


def _half_the_cores() -> int:
    return max(1, (os.cpu_count() or 2) // 2)


def _token_limit(samples: int) -> int:
    return min(_MAX_TOKENS, _MIN_TOKENS + math.ceil(samples / SAMPLE_RATE * _TOKENS_PER_S))


def _passage(stretch: Stretch, sound: Sound) -> Passage:
    words: list[Word] = []
    for word in stretch.words or ():
        text, times = word.word.strip(), (float(word.start) * 1000, float(word.end) * 1000)
        placed = _in_media_time(text, *times, word.probability, sound)
        if words and _continues(word.word):
            placed = _joined(words.pop(), placed)
        words.append(placed)
    return Passage(
        words=tuple(words),
        text=stretch.text.strip(),
        no_speech_probability=stretch.no_speech_prob,
        mean_log_probability=stretch.avg_logprob,
        compression_ratio=stretch.compression_ratio,
    )


def _continues(word: str) -> bool:
    """Return whether it is the rest of the word before, as 'clock is; many languages have no blanks between words."""
    return bool(word) and not (word[0].isspace() or word[0].isalnum())


def _joined(one: Word, rest: Word) -> Word:
    probability = min(one.probability, rest.probability)
    return Word(one.text + rest.text, one.start_ms, max(one.end_ms, rest.end_ms), probability)


def _in_media_time(text: str, start_ms: float, end_ms: float, probability: float, sound: Sound) -> Word:
    """Return a word with its times within the sound: the model's may lie in the lead or beyond the end."""
    start, end = (min(max(time - _LEAD_MS, 0.0), sound.duration_ms) for time in (start_ms, end_ms))
    return Word(text, sound.start_ms + start, sound.start_ms + max(start, end), float(probability))


def _guarded(passages: list[Passage], sound: Sound, language: str, settings: TranscriberSettings) -> Transcript:
    """Return what is believed; rejected or doubted only if nothing is."""
    reasons = [rejection(passage, settings) for passage in passages]
    kept = [passage for passage, reason in zip(passages, reasons, strict=True) if reason is None]
    doubted = doubt(kept, settings)
    for reason in filter(None, [*reasons, doubted]):
        _log.info("words at %.0f ms not believed: %s", sound.start_ms, reason)
    if kept and doubted is None:
        return _without_loops(kept, sound, language)
    spoken = doubted or next((reason for reason in reasons if reason and not is_silence(reason)), None)
    if spoken is not None:
        return Transcript("", (), language, doubted=spoken)
    return Transcript("", (), language, next((reason for reason in reasons if reason), "no words"))


def _without_loops(passages: list[Passage], sound: Sound, language: str) -> Transcript:
    words = _words(passages)
    spoken = without_loops(words, sound.start_ms + sound.duration_ms)
    if len(spoken) == len(words):
        return Transcript(" ".join(passage.text for passage in passages), words, language)
    _log.info("%d words at %.0f ms had no time to be spoken again", len(words) - len(spoken), sound.start_ms)
    return Transcript(text_of(spoken), spoken, language)


def _loops(passages: list[Passage], sound: Sound) -> bool:
    words = _words(passages)
    return len(without_loops(words, sound.start_ms + sound.duration_ms)) < len(words)


def _words(passages: list[Passage]) -> tuple[Word, ...]:
    return tuple(word for passage in passages for word in passage.words)
