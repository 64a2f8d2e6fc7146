"""What the addresses of the two WebSockets ask for (docs/protocol.md): pure, queries in, requests out."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from serving.rooms.topic import Resume
from wire.errors import ErrorCode, ProtocolError, quote
from wire.media import MediaKind

MAX_NAME: Final = 64
PREVIEWS: Final[Mapping[str, MediaKind]] = {"video": MediaKind.JPEG, "audio": MediaKind.PCM_S16}
_JOINERS: Final = "\u200c\u200d"  # Persian words and families of emoji are written with them
JOIN_FIELDS: Final = ("room", "name", "instance", "since", "media")
WATCH_FIELDS: Final = ("session", "room", "instance", "since", "media")

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a participant asks for in the address of ``/v1/stream``; without a room it gets a session of its own.

    Attributes:
        key: proves that it is who left under this name; in no address, because addresses are logged.
    """

    room: str | None = None
    name: str | None = None
    key: str = ""
    resume: Resume | None = None
    media: frozenset[MediaKind] = frozenset()


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a watcher asks for in the address of ``/v1/events``: one room, one session, or without these all."""

    session: str | None = None
    room: str | None = None
    resume: Resume | None = None
    media: frozenset[MediaKind] = frozenset()


def parse_join(query: str, key: str = "") -> JoinRequest:
    """Return what the query of ``/v1/stream?…`` asks for, with the key beside it; raise :class:`ProtocolError`."""
    asked = query_fields(query, JOIN_FIELDS, "?room=NAME&name=YOU")
    if "room" not in asked:
        if asked:
            raise ProtocolError(ErrorCode.QUERY_INVALID, f"{min(asked)} means something only with room=NAME")
        return JoinRequest()
    name = clean_name(asked["name"], ErrorCode.NAME_INVALID) if "name" in asked else None
    room = clean_name(asked["room"], ErrorCode.ROOM_INVALID)
    return JoinRequest(room, name, key, _resume(asked), _media(asked))


def parse_watch(query: str) -> WatchRequest:
    """Return what the query of ``/v1/events?…`` asks for; raise :class:`ProtocolError`."""
    asked = query_fields(query, WATCH_FIELDS, "?room=NAME or ?session=ID, and &media=video,audio")
    if "room" in asked and "session" in asked:
        raise ProtocolError(ErrorCode.QUERY_INVALID, "ask for a room or for a session, not for both")
    if "room" not in asked and ("since" in asked or "instance" in asked):
        raise ProtocolError(ErrorCode.QUERY_INVALID, "since and instance mean something only with room=NAME")
    room = clean_name(asked["room"], ErrorCode.ROOM_INVALID) if "room" in asked else None
    return WatchRequest(asked.get("session"), room, _resume(asked), _media(asked))


def clean_name(text: str, code: ErrorCode) -> str:
    """Return the name of a room or a participant, composed and without needless space.

    Raises:
        ProtocolError: it is empty, too long, or holds characters that nobody sees.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    what = code.partition(".")[0]
    if not 1 <= len(name) <= MAX_NAME:
        raise ProtocolError(code, f"the {what} needs 1 to {MAX_NAME} characters, not {len(name)}")
    if any(unicodedata.category(character).startswith("C") for character in name if character not in _JOINERS):
        raise ProtocolError(code, f"the {what} may not hold control characters or others that nobody sees")
    return name


def query_fields(query: str, known: tuple[str, ...], form: str) -> Fields:
    """Return the fields of a query, each given once; raise :class:`ProtocolError`, which shows the right ``form``."""
    try:
        asked = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=16)
    except ValueError:
        raise ProtocolError(ErrorCode.QUERY_INVALID, f"the query must be like {form}") from None
    if unknown := set(asked) - set(known):
        raise ProtocolError(ErrorCode.QUERY_INVALID, f"unknown query field {quote(min(unknown))}")
    if several := [name for name, values in asked.items() if len(values) > 1 and name != "media"]:
        raise ProtocolError(ErrorCode.QUERY_INVALID, f"{several[0]} is given several times")
    return {name: ",".join(values) for name, values in asked.items()}


def _media(asked: Fields) -> frozenset[MediaKind]:
    media = asked["media"].split(",") if "media" in asked else []
    if other := set(media) - set(PREVIEWS):
        raise ProtocolError(ErrorCode.QUERY_INVALID, f"media may be video, audio or both, not {quote(min(other))}")
    return frozenset(PREVIEWS[name] for name in media)


def _resume(asked: Fields) -> Resume | None:
    if "since" not in asked and "instance" not in asked:
        return None
    since, instance = asked.get("since", ""), asked.get("instance", "")
    if not (since.isascii() and since.isdecimal() and len(since) <= MAX_NAME and instance):
        text = "to go on where you were give both instance, of room.state, and since, the last seq you got"
        raise ProtocolError(ErrorCode.QUERY_INVALID, text)
    return Resume(instance, int(since))
