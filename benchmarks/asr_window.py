"""Speech recognition with less silence after the sound than Whisper's window of 30 s: what it saves, what it costs.

    python benchmarks/asr_window.py --media FOLDER [--data FOLDER] [--silence MS ...] [--retry LOG_PROBABILITY ...]

Every sound is first heard with ``--silence`` after it, and again in the whole window where the words are less likely
than ``--retry`` or there are none to be believed, as in ``m2fnet serve``. The first line hears all in the whole window.

``--media`` holds ``two_speakers.wav`` with its ``.stm`` (a telephone talk, of which every turn and pairs of turns
are heard) and ``grid_*.mpg`` (commands whose words their names spell, whole and as the live segmenter cuts them);
``--data`` has ``ravdess`` and ``crema_d``, sentences said with emotion, as the segmenter cuts them. The table has word
error rates in per cent, the clips without a word, the share of sounds heard twice, and the processor time as a share
of the whole window's; each the mean of ``--runs``, because the second try of the second hearing draws lots.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import ctranslate2
from asr_clips import Said, clips, clips_named, word_error_rates
from rich.console import Console
from rich.table import Table
from written import script_parser

from stream.media import Samples
from stream.settings import TranscriberSettings
from stream.speech.sound import Sound
from stream.speech.whisper import Whisper
from trainer.evaluation.text_tables import terminal_table

DEFAULT = TranscriberSettings(device="cpu")


@dataclass(frozen=True)
class WindowResult:
    """The word error rate of each corpus, the clips without a word, sounds heard twice, and processor seconds."""

    error_rates: dict[str, float]
    empty: int
    twice: float
    seconds: float


class Ear:
    """Recognises sounds as the transcriber does, and counts those heard twice; no settings: in the whole window."""

    def __init__(self, settings: TranscriberSettings | None) -> None:
        self._short = settings is not None
        self._whisper = Whisper(settings or DEFAULT)
        self.sounds = self.twice = 0

    def text(self, said: Said) -> str:
        """Return the words of a clip."""
        return " ".join(self._words(piece) for piece in said.pieces)

    def _words(self, samples: Samples) -> str:
        sound = Sound(samples, 0.0)
        first = self._whisper.hear([sound])[0] if self._short else None
        self.sounds += 1
        self.twice += self._short and first is None
        return (first or self._whisper.hear_again(sound)).text


def hear(said: Sequence[Said], settings: TranscriberSettings | None, seed: int) -> WindowResult:
    """Recognise all clips."""
    ctranslate2.set_random_seed(seed)
    ear = Ear(settings)
    begun = time.process_time()
    texts = [ear.text(one) for one in said]
    spent = time.process_time() - begun
    return WindowResult(
        word_error_rates(said, texts), sum(not text.strip() for text in texts), ear.twice / ear.sounds, spent
    )


def mean_of(runs: Sequence[WindowResult]) -> WindowResult:
    """Return the mean of several runs."""
    return WindowResult(
        {corpus: mean(run.error_rates[corpus] for run in runs) for corpus in runs[0].error_rates},
        round(mean(run.empty for run in runs)),
        mean(run.twice for run in runs),
        mean(run.seconds for run in runs),
    )


def policies(silences: Sequence[int], retries: Sequence[float]) -> dict[str, TranscriberSettings | None]:
    """Return the whole window, and each silence with each threshold, by name."""
    named: dict[str, TranscriberSettings | None] = {"whole window": None}
    for silence in silences:
        for retry in retries:
            settings = DEFAULT.model_copy(update={"trailing_silence_ms": silence, "retry_log_probability": retry})
            named[f"{silence / 1000:g} s, again below {retry:g}"] = settings
    return named


def rates_table(results: dict[str, WindowResult]) -> Table:
    """Return the table."""
    whole = next(iter(results.values()))
    rows = []
    for name, heard in results.items():
        rates = (f"{100 * rate:.1f}" for rate in heard.error_rates.values())
        share = f"{heard.seconds / whole.seconds:.2f}"
        rows.append([name, *rates, str(heard.empty), f"{100 * heard.twice:.1f}%", share])
    return terminal_table(
        ["silence", *(f"{corpus} WER" for corpus in whole.error_rates), "empty", "twice", "time"], rows
    )


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--silence", type=int, nargs="*", default=[5_000, 8_000, DEFAULT.trailing_silence_ms, 18_000])
    parser.add_argument("--retry", type=float, nargs="*", default=[DEFAULT.retry_log_probability])
    parser.add_argument("--every", type=int, default=2, help="of the corpora, one clip of so many (CREMA-D: 4 times)")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    said = clips(options.media, options.data, every=options.every)
    asked = policies(options.silence, options.retry)
    table = rates_table(
        {name: mean_of([hear(said, each, seed) for seed in range(options.runs)]) for name, each in asked.items()}
    )
    Console(highlight=False, width=140).print(table)
    if options.write:
        options.write.write_figures([table], data=clips_named(said), seed=f"0 to {options.runs - 1}")


if __name__ == "__main__":
    main()
