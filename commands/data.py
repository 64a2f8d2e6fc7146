"""``m2fnet train data``: what a corpus holds, beside the paper's figures, and what is left out of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from commands.common import Verbose, told
from commands.outputs import JsonOut, Root, corpus_folder, require_reports, write_text
from trainer.data.names import CLIPS, FACES, Dataset

if TYPE_CHECKING:
    from trainer.data.conversation import Skipped
    from trainer.data.report import DatasetReport, SplitReport

_NAMES_SHOWN: Final = 12
_LABELS_SHOWN: Final = 20
_PAPER: Final = ("paper's dialogs", "paper's utterances")


def train_data(
    dataset: Annotated[Dataset, typer.Option(help="The corpus.", show_choices=True)],
    root: Root = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="NAME|PATH",
            help="Only this split, or a file or folder of held-out data; may be given several times.",
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Name every utterance left out, however many they are.")] = False,
    as_json: JsonOut = None,
    verbose: Verbose = False,
) -> None:
    """Print what a corpus holds: its splits beside the paper's Table 1, its labels, what is left out and why.

    The layouts are described in docs/datasets.md. Nothing is decoded: clips that can't be read are told when features
    are extracted.

    Examples:
        m2fnet train data --dataset meld --root MELD.Raw

        m2fnet train data --dataset ravdess --split held-out --json -
    """
    with told(verbose=verbose):
        from trainer.data.report import report  # noqa: PLC0415 - loads what the help must not wait for

        corpus = corpus_folder(root, dataset)
        require_reports([as_json], folders=[], inputs=[corpus, *map(Path, split or [])], bundles=[])
        found = report(dataset, corpus, split)
        if as_json is None:
            show(found, Console(), names=None if all_ else _NAMES_SHOWN)
        else:
            write_text(as_json, json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n")


def show(report: "DatasetReport", console: Console, names: int | None) -> None:
    """Print the report; of the names under one reason only the first, unless ``names`` is None."""
    _say(console, f"{report.dataset} in {report.root}", style="bold")
    console.print(counts_table(report))
    _say(console, report.remark, style="dim")
    console.print()
    console.print(labels_table(report.splits))
    for split in report.splits:
        show_reasons(console, f"{split.split}: left out", split.skipped, names)
        show_reasons(console, f"{split.split}: kept, but", split.noted, names)
    for absent in report.absent:
        _say(console, f"\n{absent.split}: not there", style="yellow")
        _say(console, absent.why, indent=2)


def _say(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    if text:
        console.print(Padding(Text(text, style), (0, 0, 0, indent)), soft_wrap=not indent)


def counts_table(report: "DatasetReport") -> Table:
    """Return how many dialogs and utterances there are, beside the paper's Table 1 where it has the corpus."""
    table = _table()
    columns = _columns(report)
    table.add_column("split", no_wrap=True)
    for heading in columns:
        table.add_column("paper" if heading in _PAPER else heading, justify="right", no_wrap=True)
    for name, cells in _rows(report):
        table.add_row(name, *(cells.get(heading, "") for heading in columns))
    return table


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, pad_edge=False)


def _columns(report: "DatasetReport") -> list[str]:
    rows = [cells for _, cells in _rows(report)]
    order = ("dialogs", _PAPER[0], "utterances", _PAPER[1], "clips", "faces", "speakers", "sound", "images")
    return [heading for heading in order if any(heading in cells for cells in rows)]


def _rows(report: "DatasetReport") -> list[tuple[str, dict[str, str]]]:
    """Return a row of each split, with the paper's figures, and one of each sum that only the paper has."""
    rows = [(split.split, _cells(split, report.dataset)) for split in report.splits]
    rows += [(absent.split, {_counted(report.dataset): "not there"}) for absent in report.absent]
    cells = dict(rows)
    for paper in report.paper:
        name = " + ".join(paper.splits)
        if name not in cells:
            parts = [split for split in report.splits if split.split in paper.splits]
            rows.append((name, _sums(parts) if len(parts) == len(paper.splits) else {}))
        dict(rows)[name].update(zip(_PAPER, (f"{paper.dialogs:,}", f"{paper.utterances:,}"), strict=True))
    return rows


def _counted(dataset: str) -> str:
    return "clips" if dataset in CLIPS else "faces" if dataset in FACES else "dialogs"


def _cells(split: "SplitReport", dataset: str) -> dict[str, str]:
    what = _counted(dataset)
    numbers = {
        "utterances" if what == "dialogs" else what: split.examples,
        "dialogs": split.dialogs,
        "speakers": split.speakers,
        "sound": split.audio,
        "images": split.visual,
    }
    return {heading: f"{number:,}" for heading, number in numbers.items() if number is not None}


def _sums(splits: Sequence["SplitReport"]) -> dict[str, str]:
    dialogs = sum(split.dialogs or 0 for split in splits)
    return {"dialogs": f"{dialogs:,}", "utterances": f"{sum(split.examples for split in splits):,}"}


def labels_table(splits: Sequence["SplitReport"]) -> Table:
    """Return how many examples each label has in each split, and their share."""
    table = _table("label")
    for split in splits:
        table.add_column(split.split, justify="right")
        table.add_column("%", justify="right")
    names = list(dict.fromkeys(name for split in splits for name in split.labels))
    for name in names[:_LABELS_SHOWN]:
        table.add_row(name, *(cell for split in splits for cell in _share(split, name)))
    if len(names) > _LABELS_SHOWN:
        table.add_row(f"and {len(names) - _LABELS_SHOWN:,} more")
    return table


def _share(split: "SplitReport", label: str) -> tuple[str, str]:
    count = split.labels.get(label, 0)
    return f"{count:,}", f"{100 * count / max(split.examples, 1):.1f}"


def show_reasons(console: Console, title: str, entries: Sequence["Skipped"], names: int | None) -> None:
    """Print the entries by their reasons, or nothing if there are none."""
    from trainer.data.report import by_reason  # noqa: PLC0415 - as above

    if entries:
        _say(console, f"\n{title} ({len(entries):,})", style="bold")
    for why, found in by_reason(entries).items():
        shown = found[:names]
        rest = f" and {len(found) - len(shown):,} more (--all names them)" if len(shown) < len(found) else ""
        _say(console, f"{why} ({len(found):,}): {', '.join(shown)}{rest}", indent=2)
