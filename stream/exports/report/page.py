"""The report: one HTML file that needs nothing else, no script, no network; what people wrote is escaped."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from stream.exports.report.drawing import AXIS, BAND, LANE, LEFT, RIGHT, WIDTH
from stream.exports.report.view import dialog_view, felt, kinds
from stream.exports.results import AnalysisResult, labels_of

HERE: Final = Path(__file__).resolve().parent
PATTERNS: Final = {
    "neutral": "",
    "surprise": "M2 4a2 2 0 1 0 4 0a2 2 0 1 0 -4 0",
    "fear": "M4 0V8",
    "sadness": "M0 0L8 8M-2 6L2 10M6 -2L10 2",
    "joy": "M0 8L8 0M-2 2L2 -2M6 10L10 6",
    "disgust": "M0 0L8 8M0 8L8 0",
    "anger": "M0 4H8",
    "unsure": "M1 2H3M5 6H7",
}
"""What tells the emotions apart where there is no room for a sign and no eye for the colour: lines on 8 by 8 units."""


def as_html(results: Sequence[AnalysisResult]) -> str:
    """Return the report of one dialog, or of several one after another."""
    labels = labels_of(results)
    dialogs = [dialog_view(result, labels) for result in results]
    legend = kinds((said for result in results for said in result.utterances), labels)
    return _template().render(dialogs=dialogs, legend=[felt(shown, 0.0) for shown in legend])


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(axis=AXIS, band=BAND, lane=LANE, left=LEFT, right=RIGHT, width=WIDTH, patterns=PATTERNS)
    return environment.get_template("report.html.j2")
