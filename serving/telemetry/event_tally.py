"""What is counted of events as they are told: how many of each kind, emotions, errors, latency by stage.

Called in the threads that publish, so it does little: a few additions under one lock.
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal, get_args

from wire import events
from wire.events import Event, Latency, UtteranceKey

Stage = Literal["endpoint", "transcript", "features", "fusion", "total"]
Standing = Literal["speaking", "early", "final"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
RECENT: Final = 500  # utterances the percentiles are of
DISCARDS: Final = frozenset(
    {"too short", "no words", "no speech", "not understood", "repetition", "faster than speech", "failed"}
)


@dataclass(frozen=True)
class Durations:
    """Durations counted by the bounds they do not exceed: ``counts`` has one more, of those beyond the last."""

    counts: Sequence[int]
    sum_s: float


@dataclass(frozen=True)
class Percentiles:
    """Of the last utterances, in milliseconds."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class EventFigures:
    """What was counted so far.

    Attributes:
        told: events by type.
        emotions: by label, and how settled they were.
        uncertain: emotions told as uncertain, by how settled they were.
        closed: ended sessions by reason.
        discarded: utterances without an emotion, by reason.
        warnings: by code.
        errors: by code.
        latency: of the first emotion of each utterance after its end, by stage.
        recent: of the last of these.
    """

    told: Mapping[str, int]
    emotions: Mapping[tuple[str, Standing], int]
    uncertain: Mapping[Standing, int]
    closed: Mapping[str, int]
    discarded: Mapping[str, int]
    warnings: Mapping[str, int]
    errors: Mapping[str, int]
    latency: Mapping[Stage, Durations]
    recent: Mapping[Stage, Percentiles]


class EventTally:
    """Counts the events of all sessions; its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()
        self._emotions: Counter[tuple[str, Standing]] = Counter()
        self._uncertain: Counter[Standing] = Counter()
        self._provisional: Counter[UtteranceKey] = Counter()  # told of each utterance that may go on
        self._closed: Counter[str] = Counter()
        self._discarded: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._latency = {stage: [0] * (len(BOUNDS_S) + 1) for stage in STAGES}
        self._sums_ms = dict.fromkeys(STAGES, 0.0)
        self._recent: deque[Latency] = deque(maxlen=RECENT)

    def observe(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            self._told[event.type] += 1
            match event:
                case events.Emotion():
                    self._felt(event)
                case events.UtteranceDiscarded():
                    self._provisional.pop((event.session, event.utterance), None)
                    self._discarded[event.reason if event.reason in DISCARDS else "other"] += 1
                case events.Warning():
                    self._warnings[event.code] += 1
                case events.Error():
                    self._errors[event.code] += 1
                case events.SessionClosed():
                    self._closed[event.reason] += 1
                    self._forget(event.session)
                case _:
                    pass

    @property
    def figures(self) -> EventFigures:
        """Return what was counted so far."""
        with self._lock:
            recent = list(self._recent)
            return EventFigures(
                told=dict(self._told),
                emotions=dict(self._emotions),
                uncertain=dict(self._uncertain),
                closed=dict(self._closed),
                discarded=dict(self._discarded),
                warnings=dict(self._warnings),
                errors=dict(self._errors),
                latency={
                    stage: Durations(tuple(self._latency[stage]), self._sums_ms[stage] / 1000) for stage in STAGES
                },
                recent={stage: percentiles([spent_ms(latency, stage) for latency in recent]) for stage in STAGES}
                if recent
                else {},
            )

    def _felt(self, event: events.Emotion) -> None:
        standing, key = standing_of(event), (event.session, event.utterance)
        self._emotions[event.label, standing] += 1
        self._uncertain[standing] += event.uncertain
        if standing == "speaking":
            self._provisional[key] += 1
        elif event.revision == self._provisional[key]:
            self._took(event.latency)
        if event.final:
            self._provisional.pop(key, None)

    def _forget(self, session: str) -> None:
        for key in [key for key in self._provisional if key[0] == session]:
            del self._provisional[key]

    def _took(self, latency: Latency) -> None:
        self._recent.append(latency)
        for stage in STAGES:
            ms = spent_ms(latency, stage)
            self._latency[stage][bisect_left(BOUNDS_S, ms / 1000)] += 1
            self._sums_ms[stage] += ms


def standing_of(event: events.Emotion) -> Standing:
    """Return how settled an emotion is."""
    if event.speaking:
        return "speaking"
    return "final" if event.final else "early"


def spent_ms(latency: Latency, stage: Stage) -> float:
    """Return what a stage took."""
    spent: float = getattr(latency, f"{stage}_ms")
    return spent


def percentiles(values_ms: Sequence[float]) -> Percentiles:
    """Return those of at least one value: the smallest that so many of them do not exceed."""
    ordered = sorted(values_ms)
    at = [ordered[max(0, ceil(len(ordered) * share) - 1)] for share in (0.5, 0.95)]
    return Percentiles(round(at[0], 1), round(at[1], 1))
