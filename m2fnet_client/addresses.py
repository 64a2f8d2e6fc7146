"""Where the two WebSockets of a server are: pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

from m2fnet_client.errors import ClientCode, ClientError
from wire.addresses import EVENTS, STREAM

MediaName = Literal["video", "audio"]
SCHEMES: Final[Mapping[str, str]] = {"": "ws", "http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a client has got in a room: the life of the room, and the ``seq`` of the last event of it."""

    instance: str
    since: int


def stream_address(
    server: str,
    *,
    room: str | None = None,
    name: str | None = None,
    position: Position | None = None,
    media: Collection[MediaName] = (),
) -> str:
    """Return where a participant connects; without a room, where a session of its own does.

    Raises:
        ClientError: ``server`` is no address of a server.
    """
    if room is None:
        return _address(server, STREAM, {})
    return _address(server, STREAM, {"room": room, "name": name} | _place(position) | _media(media))


def events_address(
    server: str,
    *,
    room: str | None = None,
    session: str | None = None,
    position: Position | None = None,
    media: Collection[MediaName] = (),
) -> str:
    """Return where a watcher of a room connects, or of a session, or of everything.

    Raises:
        ClientError: ``server`` is no address of a server.
    """
    place = _place(position) if room is not None else {}
    return _address(server, EVENTS, {"room": room, "session": session} | place | _media(media))


def _place(position: Position | None) -> dict[str, str | None]:
    return {} if position is None else {"instance": position.instance, "since": str(position.since)}


def _media(media: Collection[MediaName]) -> dict[str, str | None]:
    return {"media": ",".join(sorted(media)) or None}


def _address(server: str, path: str, query: Mapping[str, str | None]) -> str:
    try:
        parts = urlsplit(server if "://" in server else f"//{server}")
        scheme, host = SCHEMES.get(parts.scheme), parts.hostname
        _ = parts.port  # raises for what is no number
    except ValueError:
        scheme = host = None
    if scheme is None or not host or parts.query or parts.fragment or parts.username is not None:
        message = f"{server!r} is no address of a server; write host:port, ws://host:port or wss://host:port"
        raise ClientError(ClientCode.ADDRESS_INVALID, message)
    base = parts.path.removesuffix("/").removesuffix(STREAM).removesuffix(EVENTS)
    asked = urlencode({name: value for name, value in query.items() if value})
    return urlunsplit((scheme, parts.netloc, base + path, asked, ""))
