"""How the voice branch does by the sex and age of speakers it has not heard, where the corpora tell them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from trainer.data.people import Person
from trainer.evaluation.report import NamedScores, ScoreRow
from trainer.evaluation.scores import Scores
from trainer.evaluation.text_tables import markdown_table
from trainer.evaluation.voices import AUDIO, VIEWS
from trainer.fit.metrics import Ints
from trainer.stages.audio import Sounds
from trainer.starter.voice_rows import Logits, rows_of

_ROW: Final = re.compile(rf"{AUDIO} on (?P<group>.+) \((?P<speakers>\d+)\) of (?P<corpus>.+)")
_SEXES: Final = ("female", "male")
_AGES: Final = {"under 30": (0, 30), "30 to 44": (30, 45), "45 and older": (45, 200)}
_HEADINGS: Final = ("corpus", "group", "speakers", "clips", "unweighted accuracy", VIEWS["after_8"])

Found = Mapping[tuple[str, str, str], Mapping[str, Scores]]
"""The scores by corpus, group and number of its speakers, and by how much of them is known."""


def subgroup_rows(logits: Logits, sounds: Sounds, people: Sequence[Person]) -> Iterator[NamedScores]:
    """Yield the rows of every group of a corpus's speakers of one sex or of one range of ages.

    Args:
        logits: of the sounds, by how much of their speakers is known.
        sounds: of speakers held out.
        people: who speaks in each.
    """
    for corpus in sorted(set(sounds.corpora)):
        of_corpus = sounds.of_corpus(corpus)
        for group, inside in _groups([people[row] for row in of_corpus]).items():
            if rows := of_corpus[inside].tolist():
                only = sounds.only(np.array(rows, np.int64))
                name = f"{AUDIO} on {group} ({len(set(only.speakers))}) of {corpus}"
                yield from rows_of(name, {view: found[rows] for view, found in logits.items()}, only)


def _groups(people: Sequence[Person]) -> dict[str, Ints]:
    """Return which of the people are in each group."""
    sexes = {f"{sex} speakers": [person.sex == sex for person in people] for sex in _SEXES}
    ages = {
        f"speakers {group}": [person.age is not None and first <= person.age < end for person in people]
        for group, (first, end) in _AGES.items()
    }
    return {group: np.flatnonzero(inside) for group, inside in (sexes | ages).items()}


def subgroup_text(rows: Sequence[ScoreRow]) -> str:
    """Return the groups of a report as a Markdown table, and how far apart the sexes are; empty where none is told."""
    found: dict[tuple[str, str, str], dict[str, Scores]] = {}
    for row in rows:
        if named := _ROW.fullmatch(row.name.network):
            found.setdefault((named["corpus"], named["group"], named["speakers"]), {})[row.name.view] = row.mean
    if not found:
        return ""
    cells = [(*name, str(scores[""].n), *_accuracies(scores)) for name, scores in found.items()]
    return "\n\n".join([markdown_table(_HEADINGS, cells), *_difference(found)])


def _accuracies(scores: Mapping[str, Scores]) -> Iterator[str]:
    for view in ("", VIEWS["after_8"]):
        yield f"{100 * scores[view].unweighted_accuracy:.1f}" if view in scores else ""


def _difference(found: Found) -> Iterator[str]:
    """Yield a line on the corpora that have speakers of both sexes, if any."""
    reached = {(corpus, group): scores[""].unweighted_accuracy for (corpus, group, _), scores in found.items()}
    first, second = (f"{sex} speakers" for sex in _SEXES)
    both = [corpus for corpus, group in reached if group == first and (corpus, second) in reached]
    gaps = {corpus: 100 * (reached[corpus, first] - reached[corpus, second]) for corpus in both}
    if gaps:
        told = ", ".join(f"{gap:+.1f} in {corpus}" for corpus, gap in gaps.items())
        yield (
            f"Without a history, {first} less {second}: {told} points, {np.mean(list(gaps.values())):+.1f} on average. "
            "Of few speakers, such a difference may be theirs alone."
        )
