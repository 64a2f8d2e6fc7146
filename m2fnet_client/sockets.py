"""Opening and closing a WebSocket to a server, with its refusals as this package's exceptions."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import State
from websockets.typing import Subprotocol

from m2fnet_client.errors import ClientCode, ClientError, RefusedError, UnreachableError
from wire.addresses import subprotocols

OPEN_S: Final = 10.0
CLOSE_S: Final = 2.0
MAX_MESSAGE: Final = 64 * 2**20
PASSING: Final = frozenset({429, 500, 502, 503, 504})


async def open_socket(
    address: str, *, token: str | None, key: str = "", ca_file: Path | str | None, max_queue: int
) -> ClientConnection:
    """Return a connection to ``address``.

    Args:
        address: of a WebSocket.
        token: what the server wants to see; goes into a header.
        key: of a participant who comes back to a room; goes into a header, too.
        ca_file: certificates (PEM) to trust besides those of this machine, for ``wss``.
        max_queue: messages read ahead.

    Raises:
        UnreachableError: nobody answers, or not as a server of this kind does.
        RefusedError: the server answered that it won't.
        ClientError: ``ca_file`` can't be used.
    """
    try:
        return await connect(
            address,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            subprotocols=[Subprotocol(name) for name in subprotocols(key)] or None,
            compression=None,  # sound and frames don't shrink
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            max_size=MAX_MESSAGE,
            max_queue=max_queue,
            ssl=_trust(ca_file) if address.startswith("wss:") else None,
        )
    except InvalidStatus as error:
        raise _refused(error) from None
    except ssl.SSLError as error:
        message = f"no secure connection to {_host(address)}: {error.reason or error}; a server with a certificate of "
        raise ClientError(ClientCode.TLS, message + "its own needs ca_file") from None
    except InvalidURI as error:
        raise ClientError(ClientCode.ADDRESS_INVALID, str(error)) from None
    except (OSError, InvalidHandshake) as error:  # a time-out is an OSError
        why = str(error) or "no answer in time"
        raise UnreachableError(ClientCode.UNREACHABLE, f"no server answers at {_host(address)}: {why}") from None


async def close_socket(socket: ClientConnection) -> None:
    """Close a connection, in whatever state it is.

    One that is closing already is only waited for: to close or to send once more would abort its transport, and
    asyncio's breaks on that when it was closed with something still to be sent.
    """
    if socket.state is State.OPEN:
        await socket.close()
    else:
        with suppress(TimeoutError):
            await asyncio.wait_for(socket.wait_closed(), CLOSE_S)


def goodbye(closed: ConnectionClosed) -> tuple[int | None, str]:
    """Return with which code and reason the other end closed a connection; None and nothing if it just went."""
    return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")


def _trust(ca_file: Path | str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # an SSLError, too
            message = f"{ca_file} holds no certificates that can be read: {error.strerror or error}"
            raise ClientError(ClientCode.TLS, message) from None
    return context


def _refused(error: InvalidStatus) -> RefusedError:
    status = error.response.status_code
    told = (error.response.body or b"").decode(errors="replace").strip()
    return RefusedError(f"http.{status}", told or error.response.reason_phrase, passing=status in PASSING)


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0]
