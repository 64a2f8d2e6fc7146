"""From a session's events to what is drawn. Pure: the media time of now, in milliseconds, is an argument."""

from dataclasses import dataclass, field
from typing import Final

from stream.overlay.view import FaceWords, ShownFace, ShownUtterance, View
from wire import events
from wire.events import Event, Probabilities, likeliest

ROWS: Final = 2
_KEPT: Final = 8
_OPEN_MS: Final = 20_000.0  # an utterance of which nothing is heard for so long is no longer shown as going on
_FACES_MS: Final = 1_500.0  # faces of an older frame are where they were, not where they are
_GLIDE_MS: Final = 150.0  # a box moves to its new place in so long

_Place = tuple[float, float, float, float]


@dataclass
class _Line:
    speaker: str
    start_ms: int
    text: str = ""
    label: str | None = None
    probabilities: Probabilities = field(default_factory=dict)
    face: int | None = None
    revision: int = -1
    final: bool = False
    changed_ms: float = 0.0


@dataclass(frozen=True)
class _Seen:
    """The faces told last, when that was, and where each was shown before."""

    event: events.Faces
    at_ms: float
    before: dict[int, _Place]


class OverlayState:
    """What one session has told. ``fade_s``: see :class:`~stream.overlay.look.Look`."""

    def __init__(self, fade_s: float) -> None:
        self._fade_ms = fade_s * 1000
        self._lines: dict[int, _Line] = {}
        self._seen: _Seen | None = None

    def apply(self, event: Event, now_ms: float) -> None:
        """Take one event; those that say nothing to be drawn are passed over."""
        match event:
            case events.SpeechStarted():
                self._line(event, now_ms)
            case events.TranscriptPartial():
                self._partial(event, now_ms)
            case events.UtteranceResumed():
                self._resumed(event.utterance, now_ms)
            case events.UtteranceDiscarded():
                self._lines.pop(event.utterance, None)
            case events.Emotion():
                self._emotion(event, now_ms)
            case events.Faces():
                before = {face.id: box for face, box in self._places(now_ms)}
                self._seen = _Seen(event, now_ms, before)
            case _:
                pass

    def view(self, now_ms: float) -> View:
        """Return what is to be seen now."""
        shown = [line for line in self._in_order() if self._is_current(line, now_ms)]
        # Of an utterance without a word yet only that it has begun is known, which is news only of the newest.
        shown = [line for line in shown if line.text or line.label or line is shown[-1]]
        places = self._places(now_ms)
        speaking = next((line.face for line in reversed(shown) if line.label is not None), None)
        faces = {
            face.id: ShownFace(box, likeliest(face.expression) if face.expression else None, face.id == speaking)
            for face, box in places
        }
        of_several = faces if len(faces) > 1 else {}
        by_face = {face: [line for line in shown if line.face == face] for face in of_several}
        others = [line for line in shown if line.face not in of_several]
        words = (FaceWords(faces[face], *_said(lines)) for face, lines in by_face.items() if lines)
        return View(*_said(others), tuple(faces.values()), tuple(words))

    def _in_order(self) -> list[_Line]:
        return sorted(self._lines.values(), key=lambda line: line.start_ms)

    def _is_current(self, line: _Line, now_ms: float) -> bool:
        age_ms = now_ms - line.changed_ms
        if line.final:
            return not self._fade_ms or age_ms < self._fade_ms
        return age_ms < _OPEN_MS

    def _line(self, event: events.SpeechStarted | events.TranscriptPartial | events.Emotion, now_ms: float) -> _Line:
        """Return the line of an event's utterance, a new one if need be; the oldest are forgotten."""
        line = self._lines.setdefault(event.utterance, _Line(event.speaker, event.start_ms, changed_ms=now_ms))
        while len(self._lines) > _KEPT:
            del self._lines[min(self._lines, key=lambda key: self._lines[key].start_ms)]
        return line

    def _partial(self, event: events.TranscriptPartial, now_ms: float) -> None:
        line = self._line(event, now_ms)
        if not line.final:
            line.text, line.changed_ms = event.text, now_ms

    def _resumed(self, utterance: int, now_ms: float) -> None:
        line = self._lines.get(utterance)
        if line is not None and not line.final:
            line.label, line.face, line.changed_ms = None, None, now_ms

    def _emotion(self, event: events.Emotion, now_ms: float) -> None:
        line = self._line(event, now_ms)
        if event.revision < line.revision:
            return
        if not line.final:  # what a later utterance changes in an earlier one does not bring it back
            line.changed_ms = now_ms
        if not (event.speaking and line.text):  # the words may have come further than those it rests on
            line.text = event.text
        line.speaker, line.label, line.probabilities = event.speaker, event.shown, event.probabilities
        line.face = event.face
        line.revision, line.final = event.revision, event.final or line.final

    def _places(self, now_ms: float) -> list[tuple[events.FaceBox, _Place]]:
        """Return each face with its box of now, on the way from where it was shown before."""
        seen = self._seen
        if seen is None or now_ms - seen.at_ms > max(_FACES_MS, 2 * seen.event.interval_ms):
            return []
        share = min(1.0, max(0.0, (now_ms - seen.at_ms) / _GLIDE_MS))
        return [(face, _between(seen.before.get(face.id, face.box), face.box, share)) for face in seen.event.faces]


def _said(lines: list[_Line]) -> tuple[tuple[ShownUtterance, ...], tuple[tuple[str, float], ...]]:
    """Return the newest lines as a card has them, and the probabilities of the newest emotion."""
    shown = lines[-ROWS:]
    rows = tuple(
        ShownUtterance(line.speaker, line.text, line.label, line.label is not None and not line.final) for line in shown
    )
    told = next((line for line in reversed(shown) if line.label is not None), None)
    return rows, tuple(told.probabilities.items()) if told else ()


def _between(start: _Place, end: _Place, share: float) -> _Place:
    left, top, right, bottom = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return left, top, right, bottom
