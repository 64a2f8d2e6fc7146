"""Dialogs and analyzed files in all the forms there are: pure, results in, text out (docs/exports.md)."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from stream.exports.captions import as_srt, as_vtt, clock
from stream.exports.forms import FORMS, Format
from stream.exports.report.page import as_html
from stream.exports.results import ANALYSIS, AnalysisResult, labels_of

_COLUMNS: Final = ("file", "id", "speaker", "start_ms", "end_ms", "text", "label", "uncertain")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, the wide signs of Chinese and Japanese keyboards too."""


def as_json(results: Sequence[AnalysisResult], *, several: bool) -> str:
    """Return one object, or a list where several files were asked for."""
    value = list(results) if several else results[0]
    return ANALYSIS.dump_json(value, indent=2).decode() + "\n"


def as_csv(results: Sequence[AnalysisResult]) -> str:
    """Return a row for each utterance of each result, a column for each probability."""
    labels = labels_of(results)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_COLUMNS, *map(_cell, labels), "modalities"])
    for result in results:
        for said in result.utterances:
            probabilities = [f"{said.probabilities.get(label, 0.0):.4f}" for label in labels]
            who, what = _cell(said.speaker), _cell(said.text)
            row = [_cell(result.file), said.id, who, said.start_ms, said.end_ms, what, _cell(said.label)]
            writer.writerow([*row, str(said.uncertain).lower(), *probabilities, " ".join(said.modalities)])
    return out.getvalue()


def _cell(text: str) -> str:
    """Keep a spreadsheet from computing what a participant called itself: an apostrophe makes it text."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def as_text(results: Sequence[AnalysisResult]) -> str:
    """Return lines for people."""
    return "\n".join(_report(result) for result in results)


def _report(result: AnalysisResult) -> str:
    head = f"{result.file}  {clock(result.duration_ms)}"
    lines = [
        f"  {clock(said.start_ms)}  {said.shown:<9} {said.confidence:4.0%}  {said.speaker}: {said.text}"
        for said in result.utterances
    ] or ["  no utterances"]
    seen = {face.id for frame in result.faces for face in frame.faces}
    lines.append(f"  faces: {len(seen)} in {len(result.faces)} frames")
    lines += [f"  warning: {warning.message}" for warning in result.warnings]
    return "\n".join([head, *lines]) + "\n"


WRITERS: Final = {"csv": as_csv, "vtt": as_vtt, "srt": as_srt, "html": as_html, "text": as_text}


def render(results: Sequence[AnalysisResult], form: Format, *, several: bool) -> str:
    """Return the results in a format; ``several`` says whether more than one file was asked for."""
    return as_json(results, several=several) if form == "json" else WRITERS[form](results)


def encoded(results: Sequence[AnalysisResult], form: Format, *, several: bool) -> bytes:
    """Return the results as a file of this form holds them."""
    return render(results, form, several=several).encode(FORMS[form].encoding)
