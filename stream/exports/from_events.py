"""The dialog that a list of events tells of, as it is exported: pure, events in, results out."""

from collections.abc import Iterable
from typing import Final

from stream.exports.results import AnalysisResult, FaceResult, FrameResult, UtteranceResult, WarningResult
from wire import events
from wire.events import Event, UtteranceKey

FIRST_FACE: Final = 1  # as the tracker of a single session counts


def dialog_from_events(told: Iterable[Event], name: str) -> AnalysisResult:
    """Return the dialog of a session, or of all sessions of one room, in the order of its utterances' start.

    What counts of an utterance is its highest final revision: an emotion that is not final may still be taken back.
    Ids are numbers within the dialog, and times are the room's where there is one.

    Args:
        told: the events in the order in which they were published.
        name: what the result is called, such as the file or the room.
    """
    collected = _Collected()
    for event in told:
        collected.add(event)
    return collected.result(name)


def conversations(told: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the events of each room, and of each session that is in none, by the name of the room or session.

    Events about a connection, which name neither, belong to all.
    """
    found: dict[str, list[Event]] = {}
    of_all: list[Event] = []
    for event in told:
        name = event.room or event.session
        if name:
            found.setdefault(name, []).append(event)
        else:
            of_all.append(event)
    return {name: [*own, *of_all] for name, own in found.items()}


class _Collected:
    """What is known of a dialog so far."""

    def __init__(self) -> None:
        self._emotions: dict[UtteranceKey, events.Emotion] = {}
        self._faces: dict[UtteranceKey, int] = {}
        self._frames: list[FrameResult] = []
        self._warnings: list[WarningResult] = []
        self._names: dict[str, str] = {}
        self._offsets: dict[str, float] = {}
        self._reached_ms = 0.0

    def add(self, event: Event) -> None:
        match event:
            case events.Emotion(final=True):
                self._conclude(event)
            case events.UtteranceDiscarded():
                self._emotions.pop((event.session, event.utterance), None)
            case events.Faces():
                self._frames.append(self._frame(event))
            case events.Warning() | events.Error():
                self._warnings.append(WarningResult(code=event.code, message=event.message))
            case events.ClockOffset():
                self._offsets[event.session] = event.offset_ms
            case events.SessionCreated() | events.SessionUpdated():
                self._names[event.session] = event.speaker
            case events.SessionClosed():
                self._reach(self._placed(event.session, event.totals.duration_ms))
            case _:
                pass

    def result(self, name: str) -> AnalysisResult:
        said = sorted(self._emotions.values(), key=lambda event: (_start_ms(event), event.end_ms - event.start_ms))
        return AnalysisResult(
            file=name,
            duration_ms=round(self._reached_ms),
            utterances=[self._utterance(number, event) for number, event in enumerate(said)],
            faces=sorted(self._frames, key=lambda frame: frame.time_ms),
            warnings=self._warnings,
        )

    def _conclude(self, event: events.Emotion) -> None:
        key = event.session, event.utterance
        known = self._emotions.get(key)
        if known is None or event.revision >= known.revision:
            self._emotions[key] = event
        self._reach(_start_ms(event) + event.end_ms - event.start_ms)

    def _frame(self, event: events.Faces) -> FrameResult:
        time_ms = self._placed(event.session, event.time_ms)
        self._reach(time_ms)
        faces = [
            FaceResult(id=self._face(event.session, face.id), box=face.box, expression=face.expression)
            for face in event.faces
        ]
        return FrameResult(time_ms=round(time_ms), participant=self._names.get(event.session, ""), faces=faces)

    def _utterance(self, number: int, event: events.Emotion) -> UtteranceResult:
        start_ms = _start_ms(event)
        return UtteranceResult(
            id=number,
            speaker=event.speaker,
            start_ms=start_ms,
            end_ms=start_ms + event.end_ms - event.start_ms,
            text=event.text,
            label=event.label,
            uncertain=event.uncertain,
            probabilities=event.probabilities,
            modalities=event.modalities,
            face=None if event.face is None else self._face(event.session, event.face),
        )

    def _face(self, session: str, face: int) -> int:
        return self._faces.setdefault((session, face), FIRST_FACE + len(self._faces))

    def _placed(self, session: str, time_ms: float) -> float:
        """Return a session's media time as the room's; they are the same in no room."""
        return time_ms + self._offsets.get(session, 0.0)

    def _reach(self, time_ms: float) -> None:
        self._reached_ms = max(self._reached_ms, time_ms)


def _start_ms(event: events.Emotion) -> int:
    """Return when it starts in the dialog; a clock that is corrected may place the first words before its beginning."""
    return max(0, event.room_start_ms if event.room else event.start_ms)


def shortened(result: AnalysisResult, forgotten: int) -> AnalysisResult:
    """Return a result that says how many of its earlier utterances are not known any more, if any."""
    if not forgotten:
        return result
    message = f"{forgotten} earlier utterances of the conversation are left out: the server has forgotten them"
    warning = WarningResult(code="export.shortened", message=message)
    return result.model_copy(update={"warnings": [*result.warnings, warning]})
