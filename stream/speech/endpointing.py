"""When an utterance starts and ends: a pure state machine over the speech probabilities of windows.

It counts samples and knows neither sound nor time; :mod:`stream.speech.segmenter` gives it both.

- *silence*: a run of windows that begins at ``threshold`` and stays at ``release`` or above for
  ``min_speech_ms`` starts an utterance, ``pre_roll_ms`` before the run but never inside the one before it.
- *speech*: a window below ``release`` begins a silence, a window at ``threshold`` ends it again.
- *likely ended*: after ``likely_end_ms`` of silence. Speech resumes the utterance, ``confirmed_end_ms`` end it.

An utterance ends ``post_roll_ms`` after its speech, but at most ``likely_end_ms``: so the end that was likely is
exactly the end that is confirmed, and what was computed on suspicion holds.
"""

from dataclasses import dataclass
from typing import Literal

from stream.media import SAMPLES_PER_MS
from stream.speech.vad import WINDOW
from wire.settings import SegmenterSettings

EndReason = Literal["silence", "sentence", "speaker", "longest", "end"]
DecisionKind = Literal["start", "likely_end", "resumed", "end", "discarded"]
State = Literal["silence", "speech", "likely_ended"]

_PAUSE_WINDOWS = 2  # to either side, over which a pause's probability is smoothed


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about the samples ``start`` to ``end`` (exclusive) of an utterance."""

    kind: DecisionKind
    utterance: int
    start: int
    end: int
    reason: EndReason = "silence"


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    end: int
    probability: float
    speech: bool


@dataclass(slots=True)
class _Open:
    """The utterance in progress."""

    utterance: int
    start: int
    windows: list[_Window]
    continues: bool = False  # begins at a cut, not at a silence
    silence_from: int | None = None
    told: bool = False  # that it has likely ended

    def started(self, position: int) -> Decision:
        """Return the decision that it has begun."""
        return Decision("start", self.utterance, self.start, position)

    def speech(self, start: int, end: int) -> int:
        """Return how many samples of speech lie between two positions."""
        spans = (min(end, w.end) - max(start, w.start) for w in self.windows if w.speech)
        return sum(span for span in spans if span > 0)


class Endpointer:
    """Decides where utterances begin and end; ids count up from 0."""

    def __init__(self, settings: SegmenterSettings) -> None:
        self._threshold = settings.threshold
        self._release = settings.release
        self._min_speech = settings.min_speech_ms * SAMPLES_PER_MS
        self._pre_roll = settings.pre_roll_ms * SAMPLES_PER_MS
        self._likely = settings.likely_end_ms * SAMPLES_PER_MS
        self._confirmed = settings.confirmed_end_ms * SAMPLES_PER_MS
        self._tail = min(settings.post_roll_ms, settings.likely_end_ms) * SAMPLES_PER_MS
        self._shortest = settings.min_utterance_ms * SAMPLES_PER_MS
        self._longest = settings.max_utterance_ms * SAMPLES_PER_MS
        self._position = 0
        self._taken = 0  # what lies before belongs to earlier utterances
        self._utterances = 0
        self._run: list[_Window] = []
        self._open: _Open | None = None

    @property
    def state(self) -> State:
        """Return where the machine stands."""
        if self._open is None:
            return "silence"
        return "likely_ended" if self._open.told else "speech"

    @property
    def extent(self) -> tuple[int, int, int] | None:
        """Return utterance, start and present end of the utterance in progress."""
        return (self._open.utterance, self._open.start, self._end_of(self._open)) if self._open else None

    @property
    def needed_from(self) -> int:
        """Return the position before which no later decision can reach."""
        if self._open is not None:
            return self._open.start
        onset = self._run[0].start if self._run else self._position
        return max(onset - self._pre_roll, self._taken)

    def push(self, probability: float, length: int = WINDOW) -> list[Decision]:
        """Take the next window's speech probability; ``length`` is its samples, fewer at the end of media."""
        start, self._position = self._position, self._position + length
        if self._open is None:
            return self._listen(start, probability)
        decisions = self._follow(self._open, start, probability)
        if self._open is not None and self._position - self._open.start >= self._longest:
            decisions += self._shorten(self._open)
        return decisions

    def cut(self, position: int, reason: EndReason) -> list[Decision]:
        """End the utterance in progress at ``position``, and begin the next one there.

        Returns nothing, and does nothing, when either side would have less speech than an utterance needs.
        """
        now = self._open
        if now is None or not now.start < position < self._end_of(now):
            return []
        if min(now.speech(now.start, position), now.speech(position, self._position)) < max(self._shortest, 1):
            return []
        return self._split(now, position, reason)

    def finish(self) -> list[Decision]:
        """End the utterance in progress, because the media has ended."""
        self._run = []
        return self._end(self._open, "end") if self._open is not None else []

    def _listen(self, start: int, probability: float) -> list[Decision]:
        if probability < (self._release if self._run else self._threshold):
            self._run = []
            return []
        self._run.append(_Window(start, self._position, probability, speech=True))
        onset = self._run[0].start
        if self._position - onset < self._min_speech:
            return []
        return [self._begin(max(onset - self._pre_roll, self._taken), self._run).started(self._position)]

    def _begin(self, start: int, windows: list[_Window], *, continues: bool = False) -> _Open:
        self._open = _Open(self._utterances, start, windows, continues)
        self._utterances += 1
        self._run = []
        return self._open

    def _follow(self, now: _Open, start: int, probability: float) -> list[Decision]:
        limit = self._release if now.silence_from is None else self._threshold
        speech = probability >= limit
        now.windows.append(_Window(start, self._position, probability, speech))
        return self._speak(now) if speech else self._fall_silent(now, start)

    def _speak(self, now: _Open) -> list[Decision]:
        now.silence_from = None
        if not now.told:
            return []
        now.told = False
        return [Decision("resumed", now.utterance, now.start, self._position)]

    def _fall_silent(self, now: _Open, start: int) -> list[Decision]:
        now.silence_from = start if now.silence_from is None else now.silence_from
        silence = self._position - now.silence_from
        decisions = []
        if silence >= self._likely and not now.told and self._enough(now):
            decisions.append(self._suspect(now))
        if silence >= self._confirmed:
            decisions += self._end(now, "silence")
        return decisions

    def _suspect(self, now: _Open) -> Decision:
        now.told = True
        return Decision("likely_end", now.utterance, now.start, self._end_of(now))

    def _enough(self, now: _Open) -> bool:
        """Return whether it is an utterance; what a cut left over always is, or its speech would be lost."""
        return now.continues or now.speech(now.start, self._position) >= self._shortest

    def _end_of(self, now: _Open) -> int:
        if now.silence_from is None:
            return self._position
        return min(now.silence_from + self._tail, self._position)

    def _end(self, now: _Open, reason: EndReason) -> list[Decision]:
        kind: DecisionKind = "end" if self._enough(now) else "discarded"
        self._taken, self._open = self._end_of(now), None
        return [Decision(kind, now.utterance, now.start, self._taken, reason)]

    def _shorten(self, now: _Open) -> list[Decision]:
        """End an utterance that has become too long: in its silence if it is in one, else at its best pause."""
        if now.silence_from is not None:
            return self._end(now, "longest")
        return self._split(now, self._best_pause(now), "longest")

    def _best_pause(self, now: _Open) -> int:
        half = now.start + self._longest // 2
        latter = [i for i, w in enumerate(now.windows) if w.start >= half and w.start < self._position - WINDOW]
        roomy = [i for i in latter if now.windows[i].end <= self._position - self._shortest] or latter
        best = min(roomy, key=lambda i: _smoothed(now.windows, i))
        return (now.windows[best].start + now.windows[best].end) // 2

    def _split(self, now: _Open, position: int, reason: EndReason) -> list[Decision]:
        """End the utterance at ``position`` and go on with a new one from there, in the same state."""
        self._taken = position
        after = self._begin(position, [w for w in now.windows if w.end > position], continues=True)
        after.silence_from = now.silence_from
        return [
            Decision("end", now.utterance, now.start, position, reason),
            after.started(self._position),
            *([self._suspect(after)] if now.told else []),
        ]


def _smoothed(windows: list[_Window], at: int) -> float:
    around = windows[max(at - _PAUSE_WINDOWS, 0) : at + _PAUSE_WINDOWS + 1]
    return sum(w.probability for w in around) / len(around)
