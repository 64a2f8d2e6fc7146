"""Writes to the log what happens to sessions and rooms, without names and words unless they are asked for."""

import hashlib
import logging
import secrets
from typing import Final

from wire import events
from wire.events import Event

log: Final = logging.getLogger("m2fnet.session")

# What these say is of the machine: of its engines, devices and files. Other messages may quote what a client sent.
PLAIN: Final = frozenset({"camera", "capture", "engine", "file", "microphone", "network", "remote", "source"})


class EventLog:
    """Logs events as they are told; :meth:`observe` may be called from any thread.

    Rooms are written as hashes that mean something within one run of the server only: a room's name lets people in.

    Args:
        contents: write also who says what.
    """

    def __init__(self, *, contents: bool = False) -> None:
        self._contents = contents
        self._key = secrets.token_bytes(16)
        self._numbers: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Write what is worth a line."""
        match event:
            case events.SessionCreated():
                self._numbers[event.session] = event.number
                self._write(logging.INFO, event, "began", contents=event.speaker)
            case events.SessionClosed():
                did = event.totals
                self._write(
                    logging.INFO,
                    event,
                    f"ended ({event.reason})",
                    reason=event.reason,
                    duration_ms=did.duration_ms,
                    utterances=did.utterances,
                )
                self._numbers.pop(event.session, None)
            case events.Warning() | events.Error():
                self._trouble(event)
            case events.Emotion() if self._contents and event.final:
                said = f"{event.speaker}, {event.shown}: {event.text}"
                self._write(logging.INFO, event, "utterance", contents=said, utterance=event.utterance)
            case _:
                pass

    def room_hash(self, room: str) -> str:
        """Return what stands for a room in the log."""
        return hashlib.blake2s(room.encode(), key=self._key, digest_size=4).hexdigest() if room else ""

    def _trouble(self, event: events.Warning | events.Error) -> None:
        """Log a warning or an error; what a client did wrongly, and was told of alone, only where all is wanted."""
        refused = isinstance(event, events.Error) and not event.session
        level = logging.WARNING if event.seq else logging.INFO if refused else logging.DEBUG
        if event.code.partition(".")[0] in PLAIN:
            self._write(level, event, f"{event.code}: {event.message}", code=event.code)
        else:
            self._write(level, event, event.code, contents=event.message, code=event.code)

    def _write(self, level: int, event: Event, text: str, contents: str = "", **more: object) -> None:
        number = self._numbers.get(event.session)
        whose = f"session {number}" if number is not None else "connection"
        extra = {"event": event.type, "session": number, "room": self.room_hash(event.room), "contents": contents}
        log.log(level, "%s: %s", whose, text, extra=extra | more)
