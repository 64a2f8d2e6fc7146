"""How well it was told who speaks when: scores of pyannote.metrics, and how soon it was told. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

CASES: Final = ((250, False), (250, True), (0, False), (0, True))
"""How errors are counted: milliseconds on either side of a boundary that do not, and whether speech of several does."""

_KINDS: Final = ("missed detection", "false alarm", "confusion")


@dataclass(frozen=True)
class Turn:
    """From when to when, in milliseconds, somebody speaks."""

    start_ms: float
    end_ms: float
    speaker: str


@dataclass(frozen=True)
class Score:
    """Of one way of telling who speaks in one sound.

    Attributes:
        speakers: how many were told.
        errors: the diarization error rate for each of :data:`CASES`.
        missed: of the first of these, speech in which nobody was told, ``alarmed`` silence in which somebody was, and
            ``confused`` speech in which another was.
        right: share of the speech in which its speaker was told.
        right_of_told: the same of that speech in which anybody was.
        mapping: who each speaker told is, where that is anybody.
    """

    speakers: int
    errors: tuple[float, ...]
    missed: float
    alarmed: float
    confused: float
    right: float
    right_of_told: float
    mapping: Mapping[str, str]


@dataclass(frozen=True)
class Naming:
    """When an utterance was told to be whose, in milliseconds."""

    at_ms: float
    speaker: str


@dataclass(frozen=True)
class Said:
    """An utterance, and whose it was told to be, one after the other; ``heard``: with its first emotion, at its end."""

    start_ms: float
    end_ms: float
    heard: str
    named: tuple[Naming, ...]

    @property
    def first(self) -> Turn:
        """Return it as whose it was told to be with its first emotion."""
        return Turn(self.start_ms, self.end_ms, self.heard)

    @property
    def last(self) -> Turn:
        """Return it as whose it was told to be in the end."""
        return Turn(self.start_ms, self.end_ms, self.named[-1].speaker)


def read_rttm(path: Path) -> tuple[Turn, ...]:
    """Return the turns of an RTTM file of one sound, in the order of the file."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("SPEAKER")]
    return tuple(Turn(1000 * float(row[3]), 1000 * (float(row[3]) + float(row[4])), row[7]) for row in rows)


def score(reference: Sequence[Turn], told: Sequence[Turn], duration_ms: float) -> Score:
    """Compare whose turns there are with whose were told, speakers told taken for those whom they fit best."""
    there, found = _annotation(reference), _annotation(told)
    whole = Timeline([Segment(0.0, duration_ms / 1000)])
    found_errors = []
    for collar_ms, overlap in CASES:
        both_sides_s = 2 * collar_ms / 1000  # of a boundary: what the library calls the collar
        metric = DiarizationErrorRate(collar=both_sides_s, skip_overlap=not overlap)
        found_errors.append(metric(there, found, uem=whole, detailed=True))
    first, strict = found_errors[0], found_errors[-1]
    missed, alarmed, confused = (float(first[part] / first["total"]) for part in _KINDS)
    return Score(
        len(found.labels()),
        tuple(float(errors["diarization error rate"]) for errors in found_errors),
        missed,
        alarmed,
        confused,
        right=float(strict["correct"] / strict["total"]),
        right_of_told=float(strict["correct"] / max(strict["correct"] + strict["confusion"], 1e-9)),
        mapping=DiarizationErrorRate().optimal_mapping(there, found, uem=whole),
    )


def first_right_ms(
    reference: Sequence[Turn], said: Sequence[Said], mapping: Mapping[str, str]
) -> dict[str, float | None]:
    """Return how long after the begin of its first utterance each new speaker was told right for good; None: never.

    The speaker who is heard first is not new: whoever it is, is told right.
    """
    newcomers = list(dict.fromkeys(turn.speaker for turn in reference))[1:]
    firsts = {speaker: next((one for one in said if _whose(one, reference) == speaker), None) for speaker in newcomers}
    return {
        speaker: None if first is None else _right_after_ms(first, speaker, mapping)
        for speaker, first in firsts.items()
    }


def _right_after_ms(said: Said, speaker: str, mapping: Mapping[str, str]) -> float | None:
    right = [mapping.get(naming.speaker) == speaker for naming in said.named]
    if not right[-1]:
        return None
    since = max((place + 1 for place, is_right in enumerate(right) if not is_right), default=0)
    return said.named[since].at_ms - said.start_ms


def _whose(said: Said, reference: Iterable[Turn]) -> str | None:
    """Return who says most of an utterance, None where nobody speaks in it."""
    shares: dict[str, float] = {}
    for turn in reference:
        shared_ms = min(said.end_ms, turn.end_ms) - max(said.start_ms, turn.start_ms)
        shares[turn.speaker] = shares.get(turn.speaker, 0.0) + max(0.0, shared_ms)
    most = max(shares, key=shares.__getitem__)
    return most if shares[most] > 0 else None


def _annotation(turns: Iterable[Turn]) -> Annotation:
    """Return turns as pyannote has them; those of one speaker that overlap are one."""
    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Segment(turn.start_ms / 1000, turn.end_ms / 1000), number] = turn.speaker
    return annotation.support()
