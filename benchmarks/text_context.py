"""What the text branch alone reaches on MELD dev, with past turns or with the paper's neighbours as context.

    python benchmarks/text_context.py --data FOLDER [--encoder NAME] [--frozen-layers N] [--epochs N] [--seeds N]

This is Table 2's row "only text" (66.30 with RoBERTa-large on test). ``FOLDER`` holds ``meld``. Every run has a
folder of its own under ``--runs``, so that a benchmark interrupted goes on where it stopped; the table and the
figures behind it are left there as ``results.md`` and ``results.json``.
"""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Final

import torch
from written import script_parser

from models.files.whole_file import write_whole
from models.text_input import ContextFormat
from trainer.data.meld import load_meld
from trainer.evaluation.render import percent
from trainer.evaluation.text_tables import markdown_table
from trainer.fit.loop import FitSettings, fit
from trainer.fit.metrics import Metrics
from trainer.stages.text import TextSettings, TextStage

_CONTEXTS: Final = {"past only (2, 0)": ContextFormat(2, 0), "past and next (1, 1)": ContextFormat(1, 1)}
_METRICS: Final = ("weighted_f1", "macro_f1", "accuracy")


@dataclass(frozen=True)
class Run:
    """One training: its context, its seed, what its best epoch reaches on dev, and how long it took."""

    context: str
    seed: int
    metrics: Metrics
    seconds: float


class ContextBenchmark:
    """The runs of one encoder; those that are on the disk already are read from there."""

    def __init__(self, data: Path, runs: Path, settings: TextSettings) -> None:
        self.train = load_meld(data / "meld", "train", media=False).dialogs
        self.dev = load_meld(data / "meld", "dev", media=False).dialogs
        encoder = Path(settings.encoder or "minilm").name
        self.folder = runs / f"{encoder}-frozen{settings.frozen_layers}-epochs{settings.fit.epochs}"
        self.settings = settings

    def run(self, seeds: int) -> Iterator[Run]:
        """Yield every run as it ends, the contexts in turn so that an interrupted benchmark has both."""
        for seed in range(seeds):
            for context in _CONTEXTS:
                yield self._run(context, seed)

    def _run(self, context: str, seed: int) -> Run:
        layout = replace(_CONTEXTS[context], speaker_names=self.settings.context.speaker_names)
        folder = self.folder / f"past{layout.past}-future{layout.future}-names{layout.speaker_names:d}-seed{seed}"
        done = folder / "result.json"
        if done.exists():
            return Run(**json.loads(done.read_text()))
        start = time.perf_counter()
        settings = replace(self.settings, context=layout, fit=replace(self.settings.fit, seed=seed))
        stage = TextStage(self.train, self.dev, settings, self.folder / "cache")
        result = Run(context, seed, fit(stage, settings.fit, folder), time.perf_counter() - start)
        write_whole(done, json.dumps(asdict(result)))
        return result


def table(runs: list[Run]) -> str:
    """Return the table in Markdown."""
    headings = ["context", "weighted F1", "macro F1", "accuracy", "seeds"]
    grouped = {context: [run for run in runs if run.context == context] for context in _CONTEXTS}
    rows = [
        [context, *(_spread(found, name) for name in _METRICS), str(len(found))]
        for context, found in grouped.items()
        if found
    ]
    return markdown_table(headings, rows)


def _spread(runs: list[Run], metric: str) -> str:
    """Return the mean and the sample deviation over the seeds, in per cent."""
    values = [run.metrics[metric] for run in runs]
    return percent(mean(values), stdev(values) if len(values) > 1 else None)


def main() -> None:
    """Train what is missing and print the table after every run."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/text-context"))
    parser.add_argument("--encoder", help="folder or hub id; none: the packaged MiniLM")
    parser.add_argument("--frozen-layers", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-names", action="store_true", help="leave out the speakers' names, as the paper does")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    settings = TextSettings(
        FitSettings(options.epochs, select="weighted_f1", ema_decay=0.99),
        encoder=options.encoder,
        context=ContextFormat(speaker_names=not options.no_names),
        frozen_layers=options.frozen_layers,
    )
    benchmark, runs = ContextBenchmark(options.data, options.runs, settings), list[Run]()
    for run in benchmark.run(options.seeds):
        runs.append(run)
        print(f"\n{table(runs)}\n", flush=True)
        write_whole(benchmark.folder / "results.md", table(runs) + "\n")
        write_whole(benchmark.folder / "results.json", json.dumps([asdict(run) for run in runs], indent=2))
    if options.write:
        options.write.write_figures([table(runs)], data="MELD dev", seed=f"0 to {options.seeds - 1}")


if __name__ == "__main__":
    main()
