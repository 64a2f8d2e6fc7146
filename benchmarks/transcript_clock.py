"""How long after the end of each turn its words were shown, and were final; pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median

from stm import stm_rows


@dataclass(frozen=True)
class Turn:
    """What one speaker said without a break, and when it ended."""

    end_ms: float
    words: list[str]


@dataclass(frozen=True)
class Shown:
    """All words that a transcript had at a time: those that stay, and those with what may still change."""

    at_ms: float
    final: list[str]
    both: list[str]


@dataclass(frozen=True)
class Delays:
    """Medians over the turns, in milliseconds, and how many of the turns have words in the transcript."""

    shown_ms: float
    final_ms: float
    turns: int


def read_turns(path: Path) -> list[Turn]:
    """Return the turns of an STM file, in order."""
    return [Turn(round(1000 * end_s), words.split()) for _, end_s, words in stm_rows(path)]


def delays(turns: Sequence[Turn], shown: Sequence[Shown]) -> Delays:
    """Return when the last word of each turn came, which is found by aligning the transcript with what was said.

    A word has come when the transcript is as long as it is at that word in the end.

    Raises:
        ValueError: nothing that was said is in the transcript.
    """
    ends = _last_words(turns, shown[-1].final if shown else [])
    if not ends:
        message = "nothing that was said is in the transcript"
        raise ValueError(message)

    def after(length: Callable[[Shown], int]) -> float:
        came = [next(each.at_ms for each in shown if length(each) >= count) - turn.end_ms for turn, count in ends]
        return median(came)

    return Delays(after(lambda each: len(each.both)), after(lambda each: len(each.final)), len(ends))


def _last_words(turns: Sequence[Turn], transcript: Sequence[str]) -> list[tuple[Turn, int]]:
    """Return the turns found in the transcript, each with how many words that has up to the turn's last one."""
    said = [(_bare(word), turn) for turn in turns for word in turn.words]
    matcher = SequenceMatcher(None, [word for word, _ in said], [_bare(word) for word in transcript], autojunk=False)
    found: dict[float, tuple[Turn, int]] = {}
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            turn = said[block.a + offset][1]
            found[turn.end_ms] = (turn, block.b + offset + 1)
    return list(found.values())


def _bare(word: str) -> str:
    return re.sub(r"[^\w']", "", word).lower()
