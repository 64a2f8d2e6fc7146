"""What can go wrong between a client and a server: one exception a kind, each with a stable code."""

from enum import StrEnum


class ClientCode(StrEnum):
    """The codes that come from the client itself; others are the server's, of docs/protocol.md."""

    ADDRESS_INVALID = "address.invalid"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    EVENT_INVALID = "event.invalid"
    TIME_INVALID = "time.invalid"
    NO_DECODER = "file.no_decoder"
    FINISH_TIMEOUT = "finish.timeout"
    LOST = "lost"
    ENDED = "ended"
    BROKEN = "client.broken"


class ClientError(Exception):
    """Something went wrong; ``code`` is stable, ``message`` says what and, where that helps, what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message

    def add(self, more: str) -> None:
        """Say more in the message."""
        self.message = f"{self.message}; {more}"
        self.args = (f"{self.message} ({self.code})",)


class UnreachableError(ClientError):
    """There is no server at the address, or it can't be talked to; to try again later may help."""


class RefusedError(ClientError):
    """The server is there and does not let this client in.

    ``code`` is one of docs/protocol.md (``name.taken``), or ``http.401`` and the like when the server answered
    without opening a WebSocket.
    """

    def __init__(self, code: str, message: str, *, passing: bool = False) -> None:
        super().__init__(code, message)
        self.passing = passing
        """Whether the same request may be let in later: the server is full, or stops."""


class ClosedError(ClientError):
    """The connection ended before the client wanted it to.

    ``code`` is the server's reason (``too_slow``, ``server.stopped``, the code of a fatal error), or ``lost``; with
    ``client.broken`` the fault is this program's, and ``__cause__`` is what broke.
    """

    def __init__(self, code: str, message: str, close_code: int | None = None) -> None:
        super().__init__(code, message)
        self.close_code = close_code


class InvalidMessageError(ClientError):
    """The server sent what the protocol doesn't have; perhaps there is something else at the address."""
