"""A watcher: gets the events of a room, a session or everything, and comes back when the connection is lost."""

import asyncio
import random
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from m2fnet_client.addresses import MediaName, Position, events_address
from m2fnet_client.core import STOPPED, Conversation, Progress, Received
from m2fnet_client.errors import ClientError, ClosedError, RefusedError, UnreachableError
from m2fnet_client.sockets import close_socket, goodbye, open_socket
from wire.backoff import Backoff, Retry

READ_AHEAD: Final = 64
# Closed so, the same request would end in the same way.
FOR_GOOD: Final = frozenset(
    {
        CloseCode.PROTOCOL_ERROR,
        CloseCode.UNSUPPORTED_DATA,
        CloseCode.INVALID_DATA,
        CloseCode.POLICY_VIOLATION,
        CloseCode.MESSAGE_TOO_BIG,
    }
)


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost (``reason``) and will be tried again in ``delay_s`` seconds."""

    reason: ClientError
    attempt: int
    delay_s: float
    type: Literal["client.reconnecting"] = "client.reconnecting"


Watched = Received | Reconnecting


class Watcher:
    """What happens in a room (which need not exist yet), in a session, or without these in everything.

    Iterating over it gives what the server tells: events (:mod:`wire.events`), :class:`~m2fnet_client.core.Gap` where
    some were lost, :class:`Reconnecting` when the connection was, and with ``media`` frames and sound
    (:class:`~wire.media.MediaMessage`). ``room.state`` comes first on each connection to a room: if it is
    ``resumed``, what was missed follows; otherwise forget what you had of the room, a snapshot follows.

    A lost connection is opened again, and in a room goes on where it was; after ``retry.attempts`` tries in vain, three
    minutes unless set, iterating raises why.

    Args:
        url: of the server, as it prints it: ``host:port``, ``http(s)://…`` or ``ws(s)://…``.
        room: its name.
        session: its id.
        token: what a server that isn't open to everybody wants.
        position: :attr:`Watcher.position` of an earlier one, to get what was missed since.
        media: ``video``, ``audio``: to be sent frames and sound, too.
        ca_file: certificates (PEM) to trust for ``https`` besides those of this machine.
        retry: how a lost connection is tried again.
        wait_for_server: try on also when there was no server from the beginning.
    """

    def __init__(
        self,
        url: str,
        *,
        room: str | None = None,
        session: str | None = None,
        token: str | None = None,
        position: Position | None = None,
        media: Collection[MediaName] = (),
        ca_file: Path | str | None = None,
        retry: Retry | None = None,
        wait_for_server: bool = False,
    ) -> None:
        self._url = url
        self._room, self._session = room, session
        self._token = token
        self._media = media
        self._ca_file = ca_file
        self._progress = Progress(position)
        self._backoff = Backoff(retry or Retry(), random.random)
        self._patient = wait_for_server
        self._stopped = False  # by its own word, and since then not seen
        self._socket: ClientConnection | None = None
        self._closing = asyncio.Event()
        self._told = self._tell()

    @property
    def position(self) -> Position | None:
        """How far the events of the room were received; another watcher goes on from there."""
        return self._progress.position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Watched:
        return await anext(self._told)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection, and with it the iteration, wherever it waits."""
        self._closing.set()
        if self._socket is not None:
            await close_socket(self._socket)
        with suppress(RuntimeError):  # somebody is just iterating, and will see that it has ended
            await self._told.aclose()

    async def _tell(self) -> AsyncGenerator[Watched]:
        while not self._closing.is_set():
            try:
                async for item in self._connected():
                    yield item
            except ClientError as error:
                if self._closing.is_set():
                    return
                if not self._again(error):
                    raise
                if (delay_s := self._backoff.next_s()) is None:
                    since = "since the server was stopped" if self._stopped else "in a row"
                    error.add(f"given up after {self._backoff.attempt} tries {since}")
                    raise
                yield Reconnecting(error, self._backoff.attempt, delay_s)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), delay_s)

    async def _connected(self) -> AsyncGenerator[Received]:
        """Yield what one connection tells; raise what ended it."""
        address = events_address(
            self._url, room=self._room, session=self._session, position=self.position, media=self._media
        )
        conversation = Conversation(self._progress, watching=True)
        self._socket = socket = await open_socket(
            address, token=self._token, ca_file=self._ca_file, max_queue=READ_AHEAD
        )
        try:
            while True:
                for item in conversation.receive(await socket.recv()):
                    if conversation.admitted:
                        self._backoff.reset()
                        self._stopped = False
                    yield item
        except ConnectionClosed as closed:
            raise conversation.failure(*goodbye(closed)) from None
        finally:
            await close_socket(socket)

    def _again(self, error: ClientError) -> bool:
        """Take note of how a connection ended, or did not begin; return whether it makes sense to try once more."""
        match error:
            case ClosedError():
                self._patient = True  # it was let in: there is a server
                self._stopped |= error.code == STOPPED
                return error.close_code not in FOR_GOOD
            case UnreachableError():
                return self._patient
            case RefusedError():
                return self._patient and error.passing
            case _:
                return False


watch = Watcher
