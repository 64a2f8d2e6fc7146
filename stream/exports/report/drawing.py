"""Where everything stands in the report's two drawings: pure geometry, utterances in, places out.

Lengths are units of the drawings' ``viewBox``, times milliseconds of the dialog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from stream.exports.report.look import percent, short, sign, time, tone, visible
from stream.exports.report.sign_paths import Paths
from stream.exports.results import UtteranceResult

WIDTH: Final = 960.0
LEFT: Final = 118.0  # the names
RIGHT: Final = WIDTH - 18.0  # the last time needs some room
LANE: Final = 30.0
BAND: Final = 22.0
AXIS: Final = 20.0
SIGN_NEEDS: Final = 17.0
LEAST: Final = 2.0
FAINT: Final = 0.02  # a probability that is not drawn
NAME: Final = 14
LINE_MS: Final = 120_000
STEPS_MS: Final = (1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000)
MOST_TICKS: Final = 12


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of one utterance, or of one emotion of it; ``sign`` where there is room for it."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    sign: Paths | None = None
    likeliest: bool = True

    @property
    def middle(self) -> float:
        """Where the sign stands."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Group:
    """The rectangles of one utterance, what is told of it, and its row in the transcript."""

    utterance: int
    about: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """A band across the drawing: a speaker's, or an emotion's with its sign."""

    y: float
    name: str
    sign: Paths | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing, from its first to its last time."""

    height: float
    first: str
    last: str
    lanes: tuple[Lane, ...]
    groups: tuple[Group, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Places times between the left and the right."""

    start_ms: int
    end_ms: int

    def x(self, time_ms: float) -> float:
        """Return where a time stands; times outside stand at the edge."""
        share = (time_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Return round times, not more than are readable."""
        span = self.end_ms - self.start_ms
        step = next((step for step in STEPS_MS if span <= step * MOST_TICKS), ceil(span / MOST_TICKS))
        first = ceil(self.start_ms / step) * step
        return tuple(Tick(self.x(time_ms), time(time_ms)) for time_ms in range(first, self.end_ms + 1, step))

    def shows(self, said: UtteranceResult) -> bool:
        """Return whether an utterance reaches into it."""
        return said.start_ms < self.end_ms and _end_ms(said) > self.start_ms


def timeline(said: Sequence[UtteranceResult]) -> list[Drawing]:
    """Return who spoke when and with which emotion, as lines of a page that follow one another; silent ones are not."""
    if not said:
        return []
    speakers = speakers_of(said)
    whole = _whole(said)
    starts = range(whole.start_ms, whole.end_ms, LINE_MS)
    scales = [Scale(start, start + LINE_MS) for start in starts] if len(starts) > 1 else [whole]
    lanes = tuple(Lane(index * LANE, short(visible(name), NAME)) for index, name in enumerate(speakers))
    height = len(lanes) * LANE + AXIS
    lines = []
    for scale in scales:
        here = [utterance for utterance in said if scale.shows(utterance)]
        groups = tuple(_spoken(scale, utterance, speakers.index(utterance.speaker) * LANE) for utterance in here)
        if groups:
            lines.append(Drawing(height, time(scale.start_ms), time(scale.end_ms), lanes, groups, scale.ticks()))
    return lines


def curves(said: Sequence[UtteranceResult], speaker: str, labels: Sequence[str]) -> Drawing:
    """Return how probable each emotion of a speaker was over time: a band for each, in all drawings the same times."""
    whole = _whole(said)
    lanes = tuple(
        Lane(index * BAND, short(visible(label), NAME), sign(label), tone(label)) for index, label in enumerate(labels)
    )
    groups = tuple(_felt(whole, utterance, labels) for utterance in said if utterance.speaker == speaker)
    height = len(lanes) * BAND + AXIS
    return Drawing(height, time(whole.start_ms), time(whole.end_ms), lanes, groups, whole.ticks())


def speakers_of(said: Sequence[UtteranceResult]) -> list[str]:
    """Return the speakers in the order of their first words."""
    return list(dict.fromkeys(utterance.speaker for utterance in said))


def about(said: UtteranceResult) -> str:
    """Return an utterance in one line."""
    perhaps = f"{said.shown}, perhaps " if said.uncertain else ""
    felt = f"{perhaps}{said.label} {percent(said.confidence)}"
    return visible(f"{time(said.start_ms)} {said.speaker}: {felt}. {said.text}")


def _whole(said: Sequence[UtteranceResult]) -> Scale:
    """Return the times of a dialog, from and to round ones."""
    first, last = min(utterance.start_ms for utterance in said), max(_end_ms(utterance) for utterance in said)
    unit = next((step for step in STEPS_MS if last - first <= step * MOST_TICKS), STEPS_MS[-1])
    start = first // unit * unit
    return Scale(start, max(ceil(last / unit) * unit, start + unit))


def _spoken(scale: Scale, said: UtteranceResult, y: float) -> Group:
    x = scale.x(said.start_ms)
    width = max(scale.x(_end_ms(said)) - x, LEAST)
    shown = sign(said.shown) if width >= SIGN_NEEDS else None
    piece = Piece(x, y + 2, round(width, 1), LANE - 4, tone(said.shown), shown)
    return Group(said.id, about(said), (piece,))


def _felt(scale: Scale, said: UtteranceResult, labels: Sequence[str]) -> Group:
    x = scale.x(said.start_ms)
    width = max(scale.x(_end_ms(said)) - x, LEAST)
    return Group(said.id, about(said), tuple(_bars(said, labels, x, round(width, 1))))


def _bars(said: UtteranceResult, labels: Sequence[str], x: float, width: float) -> Iterator[Piece]:
    for index, label in enumerate(labels):
        probability = said.probabilities.get(label, 0.0)
        if probability >= FAINT:
            height = round((BAND - 3) * min(probability, 1.0), 1)
            y = round((index + 1) * BAND - 1 - height, 1)
            yield Piece(x, y, width, height, tone(label), likeliest=label == said.shown)


def _end_ms(said: UtteranceResult) -> int:
    return max(said.end_ms, said.start_ms + 1)
