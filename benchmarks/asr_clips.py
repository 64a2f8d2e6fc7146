"""Sounds whose words are known, for the benchmarks of speech recognition."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jiwer
import numpy as np
from faster_whisper.audio import decode_audio
from stm import stm_rows

from stream.media import SAMPLE_RATE, AudioChunk, Samples
from stream.speech.segmenter import Segmenter, UtteranceEnd
from stream.speech.vad import SpeechDetector
from trainer.starter.drawn_features import STATEMENTS
from wire.settings import SegmenterSettings

BEFORE_S, AFTER_S = 0.15, 0.25
CREMA_D: Final = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
NUMBERS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GRID: Final[tuple[dict[str, str], ...]] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},  # a letter
    dict(zip("z123456789", NUMBERS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


@dataclass(frozen=True, eq=False)
class Said:
    """A sound in pieces ``(n,)`` at 16 kHz, the words in it, and the corpus it is of."""

    corpus: str
    pieces: tuple[Samples, ...]
    words: str


def clips(media: Path, data: Path | None, *, every: int) -> list[Said]:
    """Return what there is; of the corpora in ``data`` one clip of so many, as the segmenter cuts them."""
    commands = list(grid(media))
    said = [*telephone(media), *commands, *as_cut("GRID as cut", commands)]
    if data is not None:
        said += as_cut("RAVDESS", ravdess(data, every))
        said += as_cut("CREMA-D", crema_d(data, every))
    return said


def clips_named(said: Iterable[Said]) -> str:
    """Return the corpora that sounds are of."""
    return ", ".join(dict.fromkeys(one.corpus for one in said))


def telephone(media: Path) -> Iterator[Said]:
    """Yield the turns of the telephone talk, and every second one together with the next."""
    sound = decode_audio(str(media / "two_speakers.wav"), SAMPLE_RATE)
    turns = stm_rows(media / "two_speakers.stm")
    pairs = [(one[0], other[1], f"{one[2]} {other[2]}") for one, other in zip(turns[5::2], turns[6::2], strict=False)]
    for start, end, words in (*turns, *pairs):
        stretch = sound[round((start - BEFORE_S) * SAMPLE_RATE) : round((end + AFTER_S) * SAMPLE_RATE)]
        yield Said("telephone", (stretch,), words)


def grid(media: Path) -> Iterator[Said]:
    """Yield the commands of the GRID clips."""
    for path in sorted(media.glob("grid_*.mpg")):
        code = path.stem.removeprefix("grid_")
        words = " ".join(names.get(letter, letter) for names, letter in zip(GRID, code, strict=True))
        yield Said("GRID", (decode_audio(str(path), SAMPLE_RATE),), words)


def ravdess(data: Path, every: int) -> Iterator[Said]:
    """Yield sentences of the held-out RAVDESS speakers."""
    paths = sorted(path for path in (data / "ravdess").glob("03-*") if int(path.stem.split("-")[6]) >= 17)  # noqa: PLR2004 - dev
    for path in paths[::every]:
        yield Said("RAVDESS", (decode_audio(str(path), SAMPLE_RATE),), STATEMENTS[path.stem.split("-")[4]])


def crema_d(data: Path, every: int) -> Iterator[Said]:
    """Yield sentences of CREMA-D, a quarter as often, of which there are more."""
    for path in sorted((data / "crema_d").glob("*_*_*_*.opus"))[:: 4 * every]:
        yield Said("CREMA-D", (decode_audio(str(path), SAMPLE_RATE),), CREMA_D[path.stem.split("_")[1]])


def as_cut(corpus: str, said: Iterable[Said]) -> list[Said]:
    """Return the clips as the live segmenter cuts them, without those in which it finds no speech."""
    cut = [Said(corpus, tuple(utterances(np.concatenate(one.pieces))), one.words) for one in said]
    return [one for one in cut if one.pieces]


def utterances(samples: Samples) -> Iterator[Samples]:
    """Yield the sounds of the utterances that the live segmenter finds."""
    segmenter = Segmenter(SegmenterSettings(), SpeechDetector())
    for event in (*segmenter.push(AudioChunk(0.0, samples.astype(np.float32))), *segmenter.finish()):
        if isinstance(event, UtteranceEnd):
            yield event.segment.samples


def plain(text: str) -> str:
    """Return words as they are compared: lower case, digits spelled, no punctuation."""
    digits = {str(number): word for number, word in enumerate(NUMBERS)}
    return " ".join(digits.get(word, word) for word in re.sub(r"[^\w' ]", " ", text.lower()).split()) or "-"


def word_error_rates(said: Sequence[Said], texts: Sequence[str]) -> dict[str, float]:
    """Return that of each corpus, of the texts heard in the clips."""
    return {
        corpus: jiwer.wer(
            [plain(one.words) for one in said if one.corpus == corpus],
            [plain(text) for one, text in zip(said, texts, strict=True) if one.corpus == corpus],
        )
        for corpus in dict.fromkeys(one.corpus for one in said)
    }
