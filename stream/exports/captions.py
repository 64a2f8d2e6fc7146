"""Dialogs as captions that name speaker and emotion, WebVTT and SubRip: pure, results in, text out.

A caption has at most two lines of 42 columns, as subtitles usually have; what is longer becomes several, each for its
share of the time.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from rich.cells import cell_len

from stream.exports.results import AnalysisResult, UtteranceResult
from stream.overlay.wrapping import cut_end, plain, wrap

COLUMNS: Final = 42
LINES: Final = 2
LABEL_COLUMNS: Final = 20
SRT_MARKUP: Final = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})  # noqa: RUF001 - they are to look alike
"""SubRip knows no escapes: what players would take for markup is written with what looks like it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption."""

    start_ms: int
    end_ms: int
    speaker: str
    lines: list[str]


def as_vtt(results: Sequence[AnalysisResult]) -> str:
    """Return WebVTT; several results follow one another behind notes."""
    blocks = ["WEBVTT"]
    for result in results:
        if len(results) > 1:
            blocks.append(f"NOTE {_escaped(plain(result.file))}")
        blocks += [_vtt_cue(cue) for cue in _in_order(_cues(said, "") for said in result.utterances)]
    return "\n\n".join(blocks) + "\n"


def as_srt(results: Sequence[AnalysisResult]) -> str:
    """Return SubRip; several results follow one another, numbered on."""
    cues = (
        cue for result in results for cue in _in_order(_cues(said, f"{said.speaker}:") for said in result.utterances)
    )
    return "\n".join(_srt_cue(number, cue) for number, cue in enumerate(cues, 1))


def clock(time_ms: int, point: str = ".") -> str:
    """Return a time as ``hh:mm:ss.mmm``."""
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _in_order(utterances: Iterator[list[Cue]]) -> list[Cue]:
    """Return the captions by their time: those of people who speak at once lie between one another."""
    return sorted((cue for cues in utterances for cue in cues), key=lambda cue: cue.start_ms)


def _cues(said: UtteranceResult, name: str) -> list[Cue]:
    """Return an utterance's captions: ``name`` is before the words of the first, the emotion behind those of each."""
    tag = f"[{cut_end(plain(said.shown), LABEL_COLUMNS, cell_len)}]"
    words = _words(f"{name} {said.text}", tag)
    columns, ends = _balanced([cell_len(word) for word in words], cell_len(tag))
    parts = [words[start:end] for start, end in pairwise([0, *ends])]
    times = _shares(said.start_ms, said.end_ms, [1 + sum(map(len, part)) for part in parts])
    return [
        Cue(start_ms, end_ms, plain(said.speaker), wrap(" ".join([*part, tag]), columns, cell_len))
        for part, (start_ms, end_ms) in zip(parts, pairwise(times), strict=True)
    ]


def _words(text: str, tag: str) -> list[str]:
    """Return the words; those that would leave no place in a line for the emotion are broken."""
    columns = COLUMNS - cell_len(f" {tag}")
    return [piece for word in plain(text).split() for piece in wrap(word, columns, cell_len)]


def _balanced(widths: Sequence[int], tag: int) -> tuple[int, list[int]]:
    """Return how wide lines are and where captions end: as few as there can be, and about as long as one another.

    Args:
        widths: of the words.
        tag: width of what is added to each caption.
    """
    usual = _filled(widths, tag, COLUMNS)
    if len(usual) == 1:
        return COLUMNS, usual
    tried = range(max(*widths, tag), COLUMNS)
    columns = tried.start + bisect_left(tried, -len(usual), key=lambda columns: -len(_filled(widths, tag, columns)))
    return columns, _filled(widths, tag, columns)


def _filled(widths: Sequence[int], tag: int, columns: int) -> list[int]:
    """Return where captions end, by the number of words before, if each is as full as it can be."""
    ends = []
    line, used = 0, 0
    for number, width in enumerate(widths):
        after = _placed(line, used, width, columns)
        if used and _placed(*after, tag, columns)[0] >= LINES:
            ends.append(number)
            after = _placed(0, 0, width, columns)
        line, used = after
    return [*ends, len(widths)]


def _placed(line: int, used: int, width: int, columns: int) -> tuple[int, int]:
    """Return the line and how far it is full, when a word was put behind others."""
    if not used:
        return line, width
    return (line, used + 1 + width) if used + 1 + width <= columns else (line + 1, width)


def _shares(start_ms: int, end_ms: int, lengths: Sequence[int]) -> list[int]:
    """Return the times at which parts of these lengths begin and end; each lasts a millisecond at least."""
    span_ms = max(end_ms - start_ms, len(lengths))
    ends = (start_ms + round(span_ms * reached / sum(lengths)) for reached in accumulate(lengths))
    times = [start_ms]
    for end in ends:
        times.append(max(end, times[-1] + 1))
    return times


def _times(cue: Cue, point: str) -> str:
    return f"{clock(cue.start_ms, point)} --> {clock(cue.end_ms, point)}"


def _vtt_cue(cue: Cue) -> str:
    return f"{_times(cue, '.')}\n<v {_escaped(cue.speaker)}>{_escaped(_text(cue))}"


def _srt_cue(number: int, cue: Cue) -> str:
    return f"{number}\n{_times(cue, ',')}\n{_text(cue).translate(SRT_MARKUP)}\n"


def _text(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _escaped(text: str) -> str:
    """Escape what WebVTT reads as markup; an arrow would end a cue."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
