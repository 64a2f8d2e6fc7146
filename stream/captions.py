"""Dialogs as captions that name speaker and emotion, WebVTT and SubRip: pure, results in, text out."""

from collections.abc import Sequence
from typing import Final

from stream.results import AnalysisResult, UtteranceResult

SRT_MARKUP: Final = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})  # noqa: RUF001 - they are to look alike
"""SubRip knows no escapes: what players would take for markup is written with what looks like it."""


def as_vtt(results: Sequence[AnalysisResult]) -> str:
    """Return WebVTT; several results follow one another behind notes."""
    blocks = ["WEBVTT"]
    for result in results:
        if len(results) > 1:
            blocks.append(f"NOTE {_escaped(result.file)}")
        blocks += [_vtt_cue(said) for said in result.utterances]
    return "\n\n".join(blocks) + "\n"


def as_srt(results: Sequence[AnalysisResult]) -> str:
    """Return SubRip; several results follow one another, numbered on."""
    said = (said for result in results for said in result.utterances)
    return "\n".join(_srt_cue(number, utterance) for number, utterance in enumerate(said, 1))


def clock(time_ms: int, point: str = ".") -> str:
    """Return a time as ``hh:mm:ss.mmm``."""
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _times(said: UtteranceResult, point: str) -> str:
    return f"{clock(said.start_ms, point)} --> {clock(max(said.end_ms, said.start_ms + 1), point)}"


def _vtt_cue(said: UtteranceResult) -> str:
    return f"{_times(said, '.')}\n<v {_escaped(said.speaker)}>{_escaped(said.text)} [{said.label}]"


def _srt_cue(number: int, said: UtteranceResult) -> str:
    words = _one_line(f"{said.speaker}: {said.text}").translate(SRT_MARKUP)
    return f"{number}\n{_times(said, ',')}\n{words} [{said.label}]\n"


def _escaped(text: str) -> str:
    """Escape what WebVTT reads as markup; an arrow or line break would end a cue."""
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())
