"""Where sentences end in a transcript with word times; pure."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from stream.speech.transcript import Word

_ENDS: Final = (".", "?", "!", "。", "？", "！")  # noqa: RUF001 - the full-width marks are meant
_CLOSERS: Final = "\"'”’)]»"  # noqa: RUF001 - the typographic quotes are meant
_ABBREVIATIONS: Final = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "approx", "dept", "gen", "col", "sgt", "capt"}
    | {"lt", "rev", "gov", "sen", "rep", "hr", "fr", "bzw", "ca", "nr", "usw", "mme", "mlle", "sra", "dra", "sig"}
)
_INITIALS: Final = re.compile(r"(?:[^\W\d_]\.)+")  # "J.", "U.S.", "e.g."


def in_order(words: Sequence[Word]) -> bool:
    """Return whether the times are finite and never run backwards."""
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    return all(map(math.isfinite, times)) and all(a <= b for a, b in pairwise(times))


def ends_sentence(word: str, following: str) -> bool:
    """Return whether a sentence ends with ``word``, given the word after it.

    An ellipsis is a pause for thought and no end; neither is the point of an abbreviation or an initial,
    nor one before a word in small letters.
    """
    bare = word.rstrip(_CLOSERS)
    if not bare.endswith(_ENDS) or bare.endswith("..") or following[:1].islower():
        return False
    if not bare.endswith("."):
        return True
    return bare[:-1].lower() not in _ABBREVIATIONS and not (_INITIALS.fullmatch(bare) and bare != "I.")


def complete_sentences(words: Sequence[Word], *, min_ms: float, lookahead: int) -> list[tuple[int, int]]:
    """Return the first and last word of each sentence that the words after it have left behind.

    A sentence counts when ``lookahead`` words follow: the last words of an unfinished transcript may still
    change. One shorter than ``min_ms`` is joined to the next.
    """
    found = []
    first = 0
    for last in range(len(words) - lookahead):
        long_enough = words[last].end_ms - words[first].start_ms >= min_ms
        if long_enough and ends_sentence(words[last].text, words[last + 1].text):
            found.append((first, last))
            first = last + 1
    return found
