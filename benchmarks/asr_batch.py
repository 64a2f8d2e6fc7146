"""Speech recognition of several sounds in one call of the network: how much faster, and whether the words stay.

    python benchmarks/asr_batch.py --media FOLDER [--data FOLDER] [--batch N ...] [--device cpu|cuda]

The sounds are those of benchmarks/asr_window.py, in an order drawn once, as the utterances of many participants come.
The table has sounds a second of wall time, that as a multiple of one at a time, processor time as a multiple of one at
a time, the share of sounds heard twice (alone), and the word error rate of all. The sizes take turns within each
run and the best of the runs counts, so that other work on the machine weighs on all alike. ``--device cuda`` has not
been run.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
from asr_clips import Said, clips, clips_named, plain
from rich.console import Console
from rich.table import Table
from written import script_parser

from stream.settings import TranscriberSettings
from stream.speech.sound import Sound
from stream.speech.whisper import Whisper
from trainer.evaluation.text_tables import terminal_table


@dataclass(frozen=True)
class BatchResult:
    """Wall and processor seconds, the share of sounds heard twice, and the word error rate."""

    wall: float
    processor: float
    twice: float
    error_rate: float


def pieces(said: Sequence[Said]) -> list[tuple[Sound, str]]:
    """Return the clips that are one sound, with their words, in an order that is always the same."""
    whole = [(Sound(one.pieces[0], 0.0), one.words) for one in said if len(one.pieces) == 1]
    random.Random(0).shuffle(whole)  # noqa: S311 - an order, no secret
    return whole


def hear(whisper: Whisper, said: Sequence[tuple[Sound, str]], size: int) -> BatchResult:
    """Recognise all sounds, so many at a time, as the transcriber does."""
    sounds = [sound for sound, _ in said]
    wall, processor = time.perf_counter(), time.process_time()
    first = [one for at in range(0, len(sounds), size) for one in whisper.hear(sounds[at : at + size])]
    texts = [(one or whisper.hear_again(sound)).text for one, sound in zip(first, sounds, strict=True)]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    error_rate = jiwer.wer([plain(words) for _, words in said], [plain(text) for text in texts])
    return BatchResult(wall, processor, sum(one is None for one in first) / len(first), error_rate)


def speed_table(results: dict[int, list[BatchResult]], sounds: int) -> Table:
    """Return the table."""
    best = {size: min(runs, key=lambda run: run.wall) for size, runs in results.items()}
    alone = best[1]
    rows = []
    for size, heard in best.items():
        speed, share = alone.wall / heard.wall, heard.processor / alone.processor
        rates = (f"{100 * heard.twice:.1f}%", f"{100 * heard.error_rate:.1f}%")
        rows.append((str(size), f"{sounds / heard.wall:.2f}", f"{speed:.2f}", f"{share:.2f}", *rates))
    return terminal_table(("together", "sounds/s", "speed", "processor", "twice", "WER"), rows)


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--batch", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="as transcriber.threads")
    parser.add_argument("--every", type=int, default=8, help="of the corpora, one clip of so many (CREMA-D: 4 times)")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    heard = clips(options.media, options.data, every=options.every)
    said = pieces(heard)
    whisper = Whisper(TranscriberSettings(device=options.device, threads=options.threads))
    results: dict[int, list[BatchResult]] = {size: [] for size in (1, *options.batch)}
    for _ in range(options.runs):
        for size, runs in results.items():
            runs.append(hear(whisper, said, size))
    table = speed_table(results, len(said))
    Console(highlight=False).print(table)
    if options.write:
        options.write.write_figures([table], data=clips_named(heard), seed="0")


if __name__ == "__main__":
    main()
