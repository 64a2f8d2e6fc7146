"""What somebody who comes late must be told: the last state of each session and utterance, bounded; pure."""

from collections.abc import Hashable
from itertools import islice
from typing import Final, TypeVar

from wire import events
from wire.events import Published, UtteranceKey

KEPT_EMOTIONS: Final = 500
KEPT_OPEN_UTTERANCES: Final = 64
KEPT_SESSIONS: Final = 64

Kept = TypeVar("Kept", bound=Hashable)
Value = TypeVar("Value")


class History:
    """Of a room, or of a session in none, the events that tell where it stands.

    Attributes:
        forgotten: utterances of which no emotion is remembered any more.
    """

    def __init__(self, kept_emotions: int = KEPT_EMOTIONS) -> None:
        self.forgotten = 0
        self._kept_emotions = kept_emotions
        self._states: dict[str, dict[str, Published]] = {}
        self._emotions: dict[UtteranceKey, Published] = {}
        self._open: dict[UtteranceKey, dict[str, Published]] = {}

    def add(self, published: Published) -> None:
        """Take note of an event."""
        session = published.event.session
        match published.event:
            case events.SessionCreated() | events.SessionUpdated() | events.SessionClosed() | events.ClockOffset():
                self._note(session, published)
            case events.SpeechStarted(utterance=utterance) | events.TranscriptPartial(utterance=utterance):
                self._show((session, utterance), published)
            case events.Emotion(utterance=utterance, final=False):
                self._show((session, utterance), published)
            case events.Emotion(utterance=utterance):
                self._conclude((session, utterance), published)
            case events.UtteranceResumed(utterance=utterance) if (session, utterance) in self._open:
                self._open[session, utterance].pop("emotion", None)
            case events.UtteranceDiscarded(utterance=utterance):
                self._open.pop((session, utterance), None)
            case _:
                pass

    def replay(self, session: str | None = None) -> list[Published]:
        """Return the events that tell where the room stands, or one session of it, in their original order."""
        states = (item for kinds in self._states.values() for item in kinds.values())
        open_events = (item for utterance in self._open.values() for item in utterance.values())
        kept = [*states, *self._emotions.values(), *open_events]
        return sorted((item for item in kept if session in {None, item.event.session}), key=lambda item: item.event.seq)

    def knows(self, session: str) -> bool:
        """Return whether the session is remembered."""
        return session in self._states

    def _note(self, session: str, published: Published) -> None:
        kinds = self._states.pop(session, {})  # so that the session told of last is forgotten last
        kinds[published.event.type] = published
        self._states[session] = kinds
        if published.event.type == "session.closed":
            self._open = {key: known for key, known in self._open.items() if key[0] != session}
            self._forget_sessions()

    def _forget_sessions(self) -> None:
        closed = [session for session, kinds in self._states.items() if "session.closed" in kinds]
        for session in closed[: max(0, len(self._states) - KEPT_SESSIONS)]:
            del self._states[session]

    def _show(self, key: UtteranceKey, published: Published) -> None:
        if key in self._emotions:  # a late partial of what is already final shows nothing
            return
        self._open.setdefault(key, {})[published.event.type] = published
        _keep_last(self._open, KEPT_OPEN_UTTERANCES)

    def _conclude(self, key: UtteranceKey, published: Published) -> None:
        self._open.pop(key, None)
        known = self._emotions.get(key)
        if known is not None and _revision(known) > _revision(published):  # of another thread
            return
        self._emotions.pop(key, None)  # so that the newest revision is also the newest in the order
        self._emotions[key] = published
        self.forgotten += _keep_last(self._emotions, self._kept_emotions)


def _revision(published: Published) -> int:
    return published.event.revision if isinstance(published.event, events.Emotion) else -1


def _keep_last(kept: dict[Kept, Value], count: int) -> int:
    """Forget all but the last; return how many were forgotten."""
    first = list(islice(kept, max(0, len(kept) - count)))
    for key in first:
        del kept[key]
    return len(first)
