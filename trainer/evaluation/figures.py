"""A report's main row as images: confusion (the paper's Figure 5), reliability before and after, F1 by emotion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.files.whole_file import whole_file
from trainer.evaluation.reliability import ReliabilityBin
from trainer.evaluation.render import percent, title
from trainer.evaluation.report import Report

_DOTS_PER_INCH: Final = 150
_DARK: Final = 0.5  # of a cell: white figures are read better on it
_BLUE: Final = "#3b6ea8"
_GREY: Final = "#b8b8b8"


def save_figures(report: Report, folder: Path) -> list[Path]:
    """Write ``confusion.png``, ``reliability.png`` and ``f1.png``, and return their paths.

    Raises:
        FileError: the folder can't be written.
    """
    figures = {"confusion": confusion_figure, "reliability": reliability_figure, "f1": f1_figure}
    return [_save(draw(report), folder / f"{name}.png") for name, draw in figures.items()]


def _save(figure: Figure, path: Path) -> Path:
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=_DOTS_PER_INCH)
    return path


def confusion_figure(report: Report) -> Figure:
    """Draw each true emotion's answers in per cent, with their counts."""
    scores = report.main.mean
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > _DARK else "black"
        text = f"{100 * share:.0f}%\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    places = range(len(scores.labels))
    axes.set_xticks(places, scores.labels, rotation=40, ha="right")
    axes.set_yticks(places, scores.labels)
    axes.set(xlabel="predicted", ylabel="true", title=_titled(report))
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true emotion")
    return figure


def reliability_figure(report: Report) -> Figure:
    """Draw how often answers of each confidence are right, before and after the temperature."""
    scores = report.main.mean
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _reliability_axes(left, scores.reliability.before, f"before the temperature, error {percent(scores.ece_before)}%")
    after = f"after, temperature {scores.temperature:.2f}, error {percent(scores.ece)}%"
    _reliability_axes(right, scores.reliability.after, after)
    left.set_ylabel("share of right answers")
    left.legend(loc="upper left")
    figure.suptitle(_titled(report))
    return figure


def _reliability_axes(axes: Axes, bins: Sequence[ReliabilityBin], heading: str) -> None:
    total = max(1, sum(found.count for found in bins))
    lows, widths = [found.low for found in bins], [found.high - found.low for found in bins]
    axes.bar(lows, [found.count / total for found in bins], widths, align="edge", color=_GREY, label="share of answers")
    filled = [found for found in bins if found.count]
    points = [found.confidence for found in filled], [found.accuracy for found in filled]
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="confidence as it should be")
    axes.plot(*points, color=_BLUE, marker="o", label="right answers")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", title=heading)


def f1_figure(report: Report) -> Figure:
    """Draw the F1 of each emotion, with the deviation over several bundles."""
    found, labels = report.main.scores, report.main.mean.labels
    values = np.array([[one.per_class[label].f1 for label in labels] for one in found])
    spread = values.std(axis=0, ddof=1) if len(found) > 1 else None
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.bar(labels, 100 * values.mean(axis=0), yerr=None if spread is None else 100 * spread, color=_BLUE)
    axes.bar_label(bars, fmt="%.1f", padding=3, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=3)
    mean = report.main.mean
    for name, value, style in (("weighted", mean.weighted_f1, "-"), ("macro", mean.macro_f1, "--")):
        axes.axhline(100 * value, color="black", linestyle=style, linewidth=1, label=f"{name} F1 {percent(value)}")
    axes.set(ylim=(0, 100), ylabel="F1 (%)", title=_titled(report))
    axes.tick_params(axis="x", rotation=30)
    axes.legend()
    return figure


def _titled(report: Report) -> str:
    name = report.main.name
    given = ", ".join(part for part in (name.network, name.modalities, name.view) if part)
    return f"{title(report)}\n{given}"
