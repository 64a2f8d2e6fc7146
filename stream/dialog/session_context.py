"""A session's place in a conversation: whose dialog it speaks in, and how its time relates to the others'."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stream.dialog.shared_dialog import SharedDialog


def _own_time() -> float:
    return 0.0


@dataclass(frozen=True)
class SessionContext:
    """What a session needs to know of the conversation it is part of.

    Attributes:
        dialog: shared with all who speak in it.
        session: the session's id, which tells its utterances from others'; empty where it is alone.
        offset_ms: the room's time at media time 0 of the session, in milliseconds, as it is known by now.
        person: what tells who speaks from all others of the conversation, over several sessions; empty where alone.
    """

    dialog: SharedDialog
    session: str = ""
    offset_ms: Callable[[], float] = field(default=_own_time)
    person: str = ""

    def room_ms(self, media_ms: float) -> float:
        """Return the room's time at a media time of the session.

        It begins at 0. Who sends sound sooner than it can have been spoken, or what was recorded beforehand, would have
        begun before there was a room, by an offset that is below 0 at once or becomes so with the next media.
        """
        return max(0.0, media_ms + self.offset_ms())
