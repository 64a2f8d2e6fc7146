"""Who says each utterance of a session, by name; and whose utterances turn out to be another's later.

Names are told as they are known: what was told under another name, because somebody was taken for another or was the
only one so far, is found again by :meth:`Who.moved`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from stream.speakers.names import SpeakerNames
from stream.speakers.tracker import Sound, SpeakerTracker

REMEMBERED: Final = 256
"""Utterances whose speaker may still turn out to be another."""

_EVIDENCE_MS: Final = 900.0
"""Of a turn on either side of a change of speakers: less is no turn."""


class Who(Protocol):
    """What a session needs of whoever tells its speakers apart: :class:`SpeakersByVoice`, :class:`OneSpeaker`."""

    def begin(self, start_ms: float) -> None:
        """Follow an utterance that begins."""

    def follow(self, start_ms: float, now_ms: float, sound: Sound) -> float | None:
        """Take that the utterance goes on; return when another began to speak in it, None: nobody did."""

    def end(self, end_ms: float, sound: Sound) -> None:
        """Take that it has ended, or likely has."""

    def so_far(self, start_ms: float, now_ms: float) -> str:
        """Return who seems to say the utterance that goes on."""

    def of(self, utterance: int, start_ms: float, end_ms: float) -> str:
        """Return who says an utterance, by all that is known now."""

    def moved(self) -> dict[int, str]:
        """Return the utterances that are told under another name from now on."""

    def changes(self, start_ms: float, end_ms: float) -> list[float]:
        """Return when others began to speak from one time to another, by all that is known now."""

    def forget(self, utterance: int) -> None:
        """Take that an utterance was none."""

    def cancel(self) -> None:
        """Take back what was asked for."""


class OneSpeaker:
    """Takes all that is said for the participant's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def so_far(self, *_: object) -> str:
        """Return the participant's name."""
        return self._name

    of = so_far

    def begin(self, *_: object) -> None:
        """Do nothing: nobody is taken for another."""

    follow = end = forget = cancel = begin

    def moved(self) -> dict[int, str]:
        """Return nothing."""
        return {}

    def changes(self, *_: object) -> list[float]:
        """Return nothing."""
        return []


@dataclass(slots=True)
class _Told:
    """An utterance that was told, and under which name."""

    start_ms: float
    end_ms: float
    speaker: int
    name: str


class SpeakersByVoice:
    """Tells speakers apart by their voices; for one thread.

    Args:
        names: what they are called.
        counted: told how many there are, whenever that changes.
    """

    def __init__(self, tracker: SpeakerTracker, names: SpeakerNames, counted: Callable[[int], None]) -> None:
        self._tracker, self._names, self._counted = tracker, names, counted
        self._told: dict[int, _Told] = {}
        self._heard: set[int] = set()

    def begin(self, start_ms: float) -> None:
        """Follow an utterance that begins."""
        self._tracker.begin(start_ms)

    def follow(self, start_ms: float, now_ms: float, sound: Sound) -> float | None:
        """Take that the utterance goes on; return when another began to speak in it, None: nobody did."""
        if not self._tracker.follow(now_ms, sound):
            return None
        turns = self._tracker.turns(start_ms, now_ms)
        if len(turns) < 2 or turns[-1].end_ms - turns[-1].start_ms < _EVIDENCE_MS:  # noqa: PLR2004
            return None
        return turns[0].end_ms

    def end(self, end_ms: float, sound: Sound) -> None:
        """Take that it has ended, or likely has."""
        self._tracker.end(end_ms, sound)

    def so_far(self, start_ms: float, now_ms: float) -> str:
        """Return who seems to say the utterance that goes on: whoever spoke last, while nothing is known of it."""
        return self._name(self._speaker(start_ms, now_ms))

    def of(self, utterance: int, start_ms: float, end_ms: float) -> str:
        """Return who says an utterance, by all that is known now; too short for a voice: whoever spoke before."""
        self._tracker.settle()
        speaker = self._speaker(start_ms, end_ms)
        if speaker not in self._heard:
            self._heard.add(speaker)
            self._counted(len(self._heard))
        name = self._name(speaker)
        self._told.pop(utterance, None)
        self._told[utterance] = _Told(start_ms, end_ms, speaker, name)
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return name

    def moved(self) -> dict[int, str]:
        """Return the utterances that are told under another name from now on."""
        found: dict[int, str] = {}
        for utterance, told in self._told.items():
            now = self._tracker.diarizer.speaker(told.start_ms, told.end_ms)
            told.speaker = told.speaker if now is None else now
            name = self._name(told.speaker)
            if name != told.name:
                found[utterance] = told.name = name
        return found

    def changes(self, start_ms: float, end_ms: float) -> list[float]:
        """Return when others began to speak from one time to another, by all that is known now."""
        self._tracker.settle()
        return [turn.start_ms for turn in self._tracker.turns(start_ms, end_ms)[1:]]

    def forget(self, utterance: int) -> None:
        """Take that an utterance was none."""
        self._told.pop(utterance, None)

    def cancel(self) -> None:
        """Take back what was asked for."""
        self._tracker.cancel()

    def _speaker(self, start_ms: float, end_ms: float) -> int:
        """Return who speaks from one time to another: where nothing was heard there, whoever spoke last."""
        speaker = self._tracker.diarizer.speaker(start_ms, end_ms)
        return next((told.speaker for told in reversed(self._told.values())), 0) if speaker is None else speaker

    def _name(self, speaker: int) -> str:
        return self._names.name(speaker, alone=len(self._heard) <= 1)
