"""How far `m2fnet analyze` differs from what the same media give live: utterances, boundaries, words, emotions.

    python benchmarks/file_cuts.py FILE [FILE ...] [--set SECTION.KEY=VALUE] [--json OUT]

Live is a live session whose speech recognition answers at once and that misses no frame: what a machine gives that is
fast enough. Both are without speakers' baselines, which files have not. Boundaries are begins and ends of utterances;
one is shared where the other has one within 250 ms. Words are compared as a word error rate of the file's against those
heard live, and, where a transcript (FILE with the ending .stm) lies beside, of both against that. Emotions are compared
over the time for which both have one.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import jiwer
from asr_clips import plain
from at_once import told_live
from rich.console import Console
from rich.table import Table
from stm import stm_rows
from written import script_parser, write_json

from commands.measured import machine
from stream.analysis import analyze_file
from stream.config import load_settings
from stream.exports.from_events import dialog_from_events
from stream.exports.results import AnalysisResult, UtteranceResult
from stream.live_models import LiveModels
from stream.settings import Settings
from trainer.evaluation.text_tables import terminal_table

NEAR_MS: Final = 250


@dataclass(frozen=True)
class Difference:
    """Of one file, or of several together.

    Attributes:
        live: utterances, and ``file`` those of the file.
        near: boundaries of either that the other has too, of ``boundaries``.
        errors: words of the file that are other than live, of ``words`` heard live.
        alike_ms: for which both have the same emotion, of ``both_ms``.
        live_wer: word error rate against the transcript, and ``file_wer`` that of the file, None without one.
    """

    name: str
    live: int
    file: int
    near: int
    boundaries: int
    errors: int
    words: int
    alike_ms: int
    both_ms: int
    live_wer: float | None = None
    file_wer: float | None = None


def difference(name: str, live: AnalysisResult, file: AnalysisResult, transcript: str | None) -> Difference:
    """Compare two results of one file."""
    edges = [[time for said in each.utterances for time in (said.start_ms, said.end_ms)] for each in (live, file)]
    near = sum(_near(time, edges[1]) for time in edges[0]) + sum(_near(time, edges[0]) for time in edges[1])
    both = [(_shared_ms(one, two), one.label == two.label) for one in live.utterances for two in file.utterances]
    texts = [" ".join(said.text for said in each.utterances) for each in (live, file)]
    compared = jiwer.process_words(plain(texts[0]), plain(texts[1]))
    wers = [None if transcript is None else float(jiwer.wer(plain(transcript), plain(text))) for text in texts]
    return Difference(
        name,
        len(live.utterances),
        len(file.utterances),
        near,
        len(edges[0]) + len(edges[1]),
        compared.substitutions + compared.deletions + compared.insertions,
        compared.hits + compared.substitutions + compared.deletions,
        sum(ms for ms, alike in both if alike),
        sum(ms for ms, _ in both),
        *wers,
    )


def _near(time_ms: int, others: Sequence[int]) -> bool:
    return any(abs(time_ms - other) <= NEAR_MS for other in others)


def _shared_ms(one: UtteranceResult, two: UtteranceResult) -> int:
    return max(0, min(one.end_ms, two.end_ms) - max(one.start_ms, two.start_ms))


def total(found: Sequence[Difference]) -> Difference:
    """Return the sum of several."""
    counts = ("live", "file", "near", "boundaries", "errors", "words", "alike_ms", "both_ms")
    return Difference("all", *(sum(getattr(one, count) for one in found) for count in counts))


def transcript_of(path: Path) -> str | None:
    """Return the words of the transcript beside a file, None where there is none."""
    beside = path.with_suffix(".stm")
    if not beside.is_file():
        return None
    return " ".join(words for _, _, words in stm_rows(beside))


def compare(path: Path, models: LiveModels, settings: Settings) -> Difference:
    """Hear a file in both ways."""
    live = dialog_from_events((told.event for told in told_live(path, models, settings)), path.name)
    return difference(path.name, live, analyze_file(path, models=models, settings=settings), transcript_of(path))


def differences_table(found: Sequence[Difference]) -> Table:
    """Return the table."""
    rows = [
        [
            one.name,
            f"{one.live}; {one.file}",
            _share(one.near, one.boundaries),
            _share(one.errors, one.words),
            "" if one.live_wer is None or one.file_wer is None else f"{one.live_wer:.1%}; {one.file_wer:.1%}",
            _share(one.alike_ms, one.both_ms),
        ]
        for one in found
    ]
    names = ["", "utterances live; file", "boundaries shared", "words differ", "WER live; file", "same emotion"]
    return terminal_table(names, rows)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def main() -> None:
    """Compare and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    settings = load_settings(None, ["dialog.speaker_baseline=never", *options.set])
    with closing(LiveModels.load(settings)) as models:
        found = [compare(path, models, settings) for path in options.files]
    table = differences_table([*found, total(found)])
    Console(highlight=False, markup=False, soft_wrap=True).print(table, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures([table], data=", ".join(path.name for path in options.files))
    if options.json:
        write_json(options.json, {"differences": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
