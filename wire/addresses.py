"""Where a server's WebSockets are, and how a participant who comes back shows its key there: pure."""

from collections.abc import Iterable
from typing import Final

STREAM: Final = "/v1/stream"
EVENTS: Final = "/v1/events"
SUBPROTOCOL: Final = "m2fnet"
KEY_SUBPROTOCOL: Final = f"{SUBPROTOCOL}.key."


def subprotocols(key: str) -> list[str]:
    """Return what who has a room's ``key`` offers in ``Sec-WebSocket-Protocol``, the one header that pages can set."""
    return [SUBPROTOCOL, f"{KEY_SUBPROTOCOL}{key}"] if key else []


def key_among(offered: Iterable[str]) -> str:
    """Return the key in the values of ``Sec-WebSocket-Protocol`` headers, empty where there is none."""
    words = [word.strip() for value in offered for word in value.split(",")]
    return next((word.removeprefix(KEY_SUBPROTOCOL) for word in words if word.startswith(KEY_SUBPROTOCOL)), "")
