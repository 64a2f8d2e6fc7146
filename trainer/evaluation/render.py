"""A report as tables: on the terminal, as Markdown and as CSV. Scores are shown in per cent, as the paper does."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from trainer.evaluation.report import FIGURES, SURENESS, Report, ScoreRow
from trainer.evaluation.text_tables import csv_text, markdown_table, terminal_table

_HEADINGS: Final[dict[str, str]] = {
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "unweighted_accuracy": "unweighted accuracy",
    "ece": "calibration error",
    "uncertain": "not sure",
    "sure_precision": "precision of the rest",
}
_SHORT: Final[dict[str, str]] = {
    "weighted_f1": "wF1",
    "macro_f1": "mF1",
    "accuracy": "acc",
    "unweighted_accuracy": "UA",
    "ece": "ECE",
    "uncertain": "unsure",
    "sure_precision": "rest",
}
_NAME: Final = ("network", "given", "judged", "words")
_LEGEND: Final = (
    "wF1, mF1: weighted and macro F1; acc: accuracy; UA: recall averaged over emotions; ECE: calibration error after "
    "and before the temperature; unsure: answers too improbable to be relied upon; rest: precision of the others; all "
    "in per cent"
)
_BEFORE: Final = "calibration error before temperature"


def percent(value: float, deviation: float | None = None) -> str:
    """Return a share in per cent, with its deviation if there is one."""
    return f"{100 * value:.2f}" + (f" ± {100 * deviation:.2f}" if deviation is not None else "")


def summary_rows(report: Report, *, short: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of the table of all rows; columns that say nothing anywhere are left out."""
    figures, before = (_SHORT, "before") if short else (_HEADINGS, _BEFORE)
    columns = [*(figures[name] for name in FIGURES), before, *(figures[name] for name in SURENESS)]
    headings = [*_NAME, *columns, "n"]
    cells = [_cells(row) for row in report.rows]
    told = [any(row[column] for row in cells) for column in range(len(headings))]
    return _kept(headings, told), [_kept(row, told) for row in cells]


def _cells(row: ScoreRow) -> list[str]:
    name, mean, deviation = row.name, row.mean, row.deviation
    numbers = [percent(getattr(mean, figure), deviation.get(figure)) for figure in FIGURES]
    sureness = ["" if (value := getattr(mean, figure)) is None else percent(value) for figure in SURENESS]
    named = [name.network, name.modalities, name.view, name.words]
    return [*named, *numbers, percent(mean.ece_before), *sureness, str(mean.n)]


def _kept(cells: Sequence[str], told: Sequence[bool]) -> list[str]:
    return [cell for cell, kept in zip(cells, told, strict=True) if kept]


def class_rows(report: Report) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of the main row's scores by label."""
    scores = report.main.mean
    cells = [
        [label, percent(found.precision), percent(found.recall), percent(found.f1), str(found.support)]
        for label, found in scores.per_class.items()
    ]
    return ["emotion", "precision", "recall", "F1", "support"], cells


def confusion_rows(report: Report) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of the main row's confusion: true labels down, predicted ones across."""
    scores = report.main.mean
    cells = [[label, *map(str, counts)] for label, counts in zip(scores.labels, scores.confusion, strict=True)]
    return ["true \\ predicted", *scores.labels], cells


def title(report: Report) -> str:
    """Return what was scored on what."""
    seeds = f" (mean ± deviation over {len(report.bundles)})" if len(report.bundles) > 1 else ""
    return f"{', '.join(report.bundles)} on {report.dataset}, {report.split}{seeds}"


def terminal(report: Report) -> RenderableType:
    """Return the report for a terminal."""
    summary = terminal_table(*summary_rows(report, short=True), left=_NAME)
    parts: list[RenderableType] = [Text(title(report), "bold"), summary, Text()]
    parts += [terminal_table(*class_rows(report)), Text(), terminal_table(*confusion_rows(report))]
    parts += [Text(), Text(_LEGEND, "dim"), *(Text(f"note: {note}") for note in report.notes)]
    return Group(*parts)


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    parts = [f"## {title(report)}", markdown_table(*summary_rows(report))]
    parts += [f"By emotion ({_main_name(report)}):", markdown_table(*class_rows(report))]
    parts += ["Confusion:", markdown_table(*confusion_rows(report))]
    if report.notes:
        parts.append("\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


def _main_name(report: Report) -> str:
    return ", ".join(part for part in report.main.name.model_dump().values() if part)


def as_csv(report: Report) -> str:
    """Return all rows as CSV, scores as shares of 1; the deviation is empty for one bundle."""
    columns = [column for figure in FIGURES for column in (figure, f"{figure}_deviation")]
    headings = [*("network", "modalities", "view", "words"), *columns, "ece_before", *SURENESS, "n"]
    return csv_text([headings, *map(_csv_row, report.rows)])


def _csv_row(row: ScoreRow) -> list[object]:
    mean, deviation = row.mean, row.deviation
    numbers = [number for figure in FIGURES for number in (getattr(mean, figure), deviation.get(figure, ""))]
    sureness = [getattr(mean, figure) for figure in SURENESS]
    return [*row.name.model_dump().values(), *numbers, mean.ece_before, *sureness, mean.n]
