"""A stream of events with one numbering: that of a room, or of a session in none; not thread-safe by itself."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from serving.rooms.history import History
from stream.recording.record import Record
from wire import events
from wire.events import Event, Participant, Published

KEPT_GONE: Final = 64  # participants who have left, of whom everybody who comes is told


@dataclass(frozen=True, slots=True)
class Resume:
    """What a connection that comes back had got: up to the event ``since`` of this ``instance`` of the room."""

    instance: str
    since: int


class Topic:
    """Numbers events, remembers the last ones word for word, and of the older ones where things stand.

    Args:
        name: the room's; empty for a session in none.
        kept: events that one who comes back can be given one by one.
        clock: tells the time, in seconds; the room's begins at 0 now.
        record: what is written down of it, if anything.
    """

    def __init__(
        self,
        name: str = "",
        kept: int = 0,
        clock: Callable[[], float] = time.monotonic,
        record: Record | None = None,
    ) -> None:
        self.name = name
        self.instance = secrets.token_hex(4)
        self.history = History()
        self.record = record
        self._clock = clock
        self._began = clock()
        self._seq = 0
        self._last: deque[Published] = deque(maxlen=kept)
        self._participants: dict[str, Participant] = {}

    @property
    def now_ms(self) -> float:
        """The room's time."""
        return self.ms_at(self._clock())

    def ms_at(self, time_s: float) -> float:
        """Return the room's time at one of its clock."""
        return (time_s - self._began) * 1000

    def begin_by(self, time_ms: float) -> None:
        """Let the room's time begin earlier, where something in it began before."""
        self._began += min(0.0, time_ms) / 1000

    @property
    def recording(self) -> bool:
        """Whether what happens is recorded."""
        return self.record is not None and self.record.running

    def add(self, event: Event, session: str) -> Published:
        """Give an event its number and remember it; one that names no session is of this one."""
        self._seq += 1
        set_here = {"room": self.name, "session": event.session or session, "seq": self._seq}
        published = Published.of(event.model_copy(update=set_here))
        self._last.append(published)
        self.history.add(published)
        self._meet(published.event)
        if self.record is not None:
            self.record.published(published)
        return published

    def catch_up(self, resume: Resume | None, session: str = "", key: str = "") -> list[Published]:
        """Return what one who comes to the room is told: where it stands, and what was missed or a snapshot.

        ``session`` and ``key`` are those of a participant.
        """
        missed = self._since(resume) if resume else None
        state = Published.of(self.state(resumed=missed is not None).model_copy(update={"session": session, "key": key}))
        return [state, *(self.history.replay() if missed is None else missed)]

    def state(self, *, resumed: bool) -> events.RoomState:
        """Return the event that says where the room stands."""
        return events.RoomState(
            room=self.name,
            seq=self._seq,
            instance=self.instance,
            resumed=resumed,
            now_ms=round(self.now_ms),
            recording=self.recording,
            participants=list(self._participants.values()),
        )

    def knows(self, name: str) -> bool:
        """Return whether somebody of this name, whatever its case, is in the room, or was and is remembered."""
        return any(known.name.casefold() == name.casefold() for known in self._participants.values())

    def _since(self, resume: Resume) -> list[Published] | None:
        """Return the events after ``since``, None where they are not all remembered."""
        if resume.instance != self.instance or resume.since > self._seq:
            return None
        missed = [item for item in self._last if item.event.seq > resume.since]
        return missed if len(missed) == self._seq - resume.since else None

    def _meet(self, event: Event) -> None:
        match event:
            case events.ParticipantJoined():
                self._participants = {
                    session: known
                    for session, known in self._participants.items()
                    if known.here or known.name != event.name
                }
                self._participants[event.session] = Participant(
                    name=event.name, session=event.session, number=event.number, here=True
                )
            case events.ParticipantLeft() if event.session in self._participants:
                left = self._participants.pop(event.session)  # who left last is forgotten last
                self._participants[event.session] = left.model_copy(update={"here": False})
                self._forget()
            case _:
                pass

    def _forget(self) -> None:
        gone = [session for session, known in self._participants.items() if not known.here]
        for session in gone[:-KEPT_GONE]:
            del self._participants[session]
