"""Speech recognition with less silence after the sound than Whisper's window of 30 s: what it saves, what it costs.

    python benchmarks/asr_window.py --media FOLDER [--data FOLDER] [--silence MS ...]

``--media`` holds ``two_speakers.wav`` with its ``.stm`` (a telephone talk, of which every turn and pairs of turns
are heard) and ``grid_*.mpg`` (commands whose words their names spell); ``--data`` has ``ravdess``, whose speakers
say one of two sentences with emotion. The table has word error rates in per cent, and the processor time of a clip
as a share of the whole window's.
"""

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jiwer
import numpy as np
from faster_whisper.audio import decode_audio
from rich.console import Console
from rich.table import Table

from stream.media import SAMPLE_RATE, Samples
from stream.settings import TranscriberSettings
from stream.whisper import Whisper

WHOLE_MS: Final = 30_000
BEFORE_S, AFTER_S = 0.15, 0.25
SENTENCES: Final = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
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
    """A sound ``(n,)`` at 16 kHz, the words in it, and the corpus it is of."""

    corpus: str
    samples: Samples
    words: str


def telephone(media: Path) -> Iterator[Said]:
    """Yield the turns of the telephone talk, and every second one together with the next."""
    sound = decode_audio(str(media / "two_speakers.wav"), SAMPLE_RATE)
    lines = (media / "two_speakers.stm").read_text(encoding="utf-8").splitlines()
    turns = [(float(start), float(end), words) for *_, start, end, words in (line.split(None, 5) for line in lines)]
    pairs = [(one[0], other[1], f"{one[2]} {other[2]}") for one, other in zip(turns[5::2], turns[6::2], strict=False)]
    for start, end, words in (*turns, *pairs):
        stretch = sound[round((start - BEFORE_S) * SAMPLE_RATE) : round((end + AFTER_S) * SAMPLE_RATE)]
        yield Said("telephone", stretch, words)


def grid(media: Path) -> Iterator[Said]:
    """Yield the commands of the GRID clips."""
    for path in sorted(media.glob("grid_*.mpg")):
        code = path.stem.removeprefix("grid_")
        words = " ".join(names.get(letter, letter) for names, letter in zip(GRID, code, strict=True))
        yield Said("GRID", decode_audio(str(path), SAMPLE_RATE), words)


def ravdess(data: Path, every: int = 2) -> Iterator[Said]:
    """Yield sentences of the held-out RAVDESS speakers."""
    paths = sorted(path for path in (data / "ravdess").glob("03-*") if int(path.stem.split("-")[6]) >= 17)  # noqa: PLR2004 - dev
    for path in paths[::every]:
        yield Said("RAVDESS", decode_audio(str(path), SAMPLE_RATE), SENTENCES[path.stem.split("-")[4]])


def plain(text: str) -> str:
    """Return words as they are compared: lower case, digits spelled, no punctuation."""
    digits = {str(number): word for number, word in enumerate(NUMBERS)}
    return " ".join(digits.get(word, word) for word in re.sub(r"[^\w' ]", " ", text.lower()).split()) or "-"


@dataclass(frozen=True)
class Heard:
    """The word error rate of each corpus, the clips without a word, and the processor seconds of a clip."""

    error_rates: dict[str, float]
    empty: int
    seconds: float


def hear(said: Sequence[Said], silence_ms: int) -> Heard:
    """Recognise all clips."""
    whisper = Whisper(TranscriberSettings(device="cpu", trailing_silence_ms=silence_ms))
    begun = time.process_time()
    texts = [whisper.transcribe(np.asarray(one.samples, np.float32), 0.0).text for one in said]
    spent = time.process_time() - begun
    rates = {
        corpus: jiwer.wer(
            [plain(one.words) for one in said if one.corpus == corpus],
            [plain(text) for one, text in zip(said, texts, strict=True) if one.corpus == corpus],
        )
        for corpus in dict.fromkeys(one.corpus for one in said)
    }
    return Heard(rates, sum(not text for text in texts), spent / len(said))


def show(results: dict[int, Heard]) -> None:
    """Print the table."""
    whole = results[WHOLE_MS]
    table = Table(box=None)
    for heading in ("silence", *(f"{corpus} WER" for corpus in whole.error_rates), "empty", "time"):
        table.add_column(heading, justify="right")
    for silence_ms, heard in results.items():
        rates = (f"{100 * rate:.1f}" for rate in heard.error_rates.values())
        name = "whole window" if silence_ms == WHOLE_MS else f"{silence_ms / 1000:g} s"
        table.add_row(name, *rates, str(heard.empty), f"{heard.seconds / whole.seconds:.2f}")
    Console(highlight=False).print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--silence", type=int, nargs="*", default=[3_000, 5_000, 8_000, 12_000, 18_000])
    options = parser.parse_args()
    said = [*telephone(options.media), *grid(options.media), *(ravdess(options.data) if options.data else ())]
    show({silence_ms: hear(said, silence_ms) for silence_ms in (WHOLE_MS, *options.silence)})


if __name__ == "__main__":
    main()
