"""Analysis results as JSON, CSV, WebVTT and plain text: pure, results in, text out."""

import csv
import io
from collections.abc import Sequence
from typing import Final, Literal

from models.labels import LABELS
from stream.results import ANALYSIS, AnalysisResult, UtteranceResult

Format = Literal["json", "csv", "vtt", "text"]


def as_json(results: Sequence[AnalysisResult], *, several: bool) -> str:
    """Return one object, or a list where several files were asked for."""
    value = list(results) if several else results[0]
    return ANALYSIS.dump_json(value, indent=2).decode() + "\n"


def as_csv(results: Sequence[AnalysisResult]) -> str:
    """Return a row for each utterance of each file, a column for each probability."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "id", "speaker", "start_ms", "end_ms", "text", "label", *LABELS, "modalities"])
    for result in results:
        for said in result.utterances:
            probabilities = [f"{said.probabilities[label]:.4f}" for label in LABELS]
            modalities = " ".join(said.modalities)
            times = [said.start_ms, said.end_ms]
            writer.writerow(
                [result.file, said.id, said.speaker, *times, said.text, said.label, *probabilities, modalities]
            )
    return out.getvalue()


def as_vtt(results: Sequence[AnalysisResult]) -> str:
    """Return captions that name speaker and emotion; several files follow one another behind notes."""
    blocks = ["WEBVTT"]
    for result in results:
        if len(results) > 1:
            blocks.append(f"NOTE {_escaped(result.file)}")
        blocks += [_cue(said) for said in result.utterances]
    return "\n\n".join(blocks) + "\n"


def as_text(results: Sequence[AnalysisResult]) -> str:
    """Return lines for people."""
    return "\n".join(_report(result) for result in results)


def _cue(said: UtteranceResult) -> str:
    times = f"{_clock(said.start_ms)} --> {_clock(max(said.end_ms, said.start_ms + 1))}"
    return f"{times}\n<v {_escaped(said.speaker)}>{_escaped(said.text)} [{said.label}]"


def _clock(time_ms: int) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"


def _escaped(text: str) -> str:
    """Escape what WebVTT reads as markup; an arrow or line break would end a cue."""
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _report(result: AnalysisResult) -> str:
    head = f"{result.file}  {_clock(result.duration_ms)}"
    lines = [
        f"  {_clock(said.start_ms)}  {said.label:<9} {said.probabilities[said.label]:4.0%}  {said.speaker}: {said.text}"
        for said in result.utterances
    ] or ["  no utterances"]
    seen = {face.id for picture in result.faces for face in picture.faces}
    lines.append(f"  faces: {len(seen)} in {len(result.faces)} pictures")
    lines += [f"  warning: {warning.message}" for warning in result.warnings]
    return "\n".join([head, *lines]) + "\n"


WRITERS: Final = {"csv": as_csv, "vtt": as_vtt, "text": as_text}


def render(results: Sequence[AnalysisResult], form: Format, *, several: bool) -> str:
    """Return the results in a format; ``several`` says whether more than one file was asked for."""
    return as_json(results, several=several) if form == "json" else WRITERS[form](results)
