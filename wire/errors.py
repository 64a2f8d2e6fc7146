"""What can be wrong with a message, each with a stable code: pure."""

from enum import StrEnum
from typing import Final

MAX_QUOTED: Final = 80


class ErrorCode(StrEnum):
    """The ``code`` of every ``error`` that a source does not bring itself."""

    JSON_INVALID = "json.invalid"
    MESSAGE_TOO_LONG = "message.too_long"
    TYPE_UNKNOWN = "type.unknown"
    FIELD_UNKNOWN = "field.unknown"
    FIELD_INVALID = "field.invalid"
    MEDIA_HEADER = "media.header"
    MEDIA_VERSION = "media.version"
    MEDIA_KIND = "media.kind"
    MEDIA_EMPTY = "media.empty"
    MEDIA_LENGTH = "media.length"
    MEDIA_NOT_FINITE = "media.not_finite"
    MEDIA_NOT_JPEG = "media.not_jpeg"
    UPDATE_LATE = "update.late"
    ERRORS_TOO_MANY = "errors.too_many"
    SESSION_CLOSING = "session.closing"
    SESSION_UNKNOWN = "session.unknown"
    QUERY_INVALID = "query.invalid"
    ROOM_INVALID = "room.invalid"
    ROOM_FULL = "room.full"
    ROOMS_FULL = "rooms.full"
    NAME_INVALID = "name.invalid"
    NAME_TAKEN = "name.taken"
    READ_ONLY = "watcher.read_only"
    RATE_EXCEEDED = "rate.exceeded"
    FRAMES_TOO_MANY = "frames.too_many"
    MESSAGES_TOO_MANY = "messages.too_many"
    MEDIA_IDLE = "media.idle"
    AUTH_REQUIRED = "auth.required"
    AUTH_FAILED = "auth.failed"
    AUTH_LATE = "auth.late"
    ADDRESS_FULL = "address.full"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


class ProtocolError(ValueError):
    """A message that can't be understood; ``code`` is stable, the text says what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def quote(text: str) -> str:
    """Return ``text`` short enough to be repeated in an error message."""
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"
