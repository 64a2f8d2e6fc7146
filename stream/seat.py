"""A session's place in a conversation: whose dialog it speaks in, and how its time relates to the others'."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stream.recording.record import SessionRecord
from stream.shared_dialog import SharedDialog


def _own_time(media_ms: float) -> float:
    return media_ms


@dataclass(frozen=True)
class Seat:
    """What a session needs to know of the conversation it is part of.

    Attributes:
        dialog: shared with all who speak in it.
        session: the session's id, which tells its utterances from others'; empty where it is alone.
        room_ms: from media time of the session to the room's, in milliseconds.
        record: where it is recorded, if it is.
    """

    dialog: SharedDialog
    session: str = ""
    room_ms: Callable[[float], float] = field(default=_own_time)
    record: SessionRecord | None = None
