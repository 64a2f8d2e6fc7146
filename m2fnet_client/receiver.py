"""The receiving half of a session: its connection is read to its end, whether anybody takes what was told or not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from m2fnet_client.addresses import Position
from m2fnet_client.buffer import Buffer
from m2fnet_client.core import Conversation, Received
from m2fnet_client.errors import ClientCode, ClientError, ClosedError
from m2fnet_client.sockets import close_socket, goodbye


class Receiver:
    """Keeps what a connection tells until it is taken, and why it ended; reads from when it is made."""

    def __init__(self, socket: ClientConnection, conversation: Conversation) -> None:
        self._socket = socket
        self._conversation = conversation
        self._buffer: Buffer[tuple[Received, Position | None]] = Buffer()
        self._failure: ClientError | None = None
        self._admitted = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def take(self) -> tuple[Received, Position | None]:
        """Return the next thing told, waiting for it, and how far the room's events have come with it.

        Raises:
            StopAsyncIteration: all was told, and the session was finished.
            ClientError: the same, but it ended otherwise.
        """
        return await self._buffer.take()

    async def admitted(self) -> None:
        """Wait until the server has let the client in.

        Raises:
            RefusedError: it does not.
            ClosedError: the connection ended.
        """
        await self._admitted.wait()
        if not self._conversation.admitted:
            raise self.failure(ClientCode.LOST, "the connection was lost")

    async def ended(self) -> None:
        """Wait for the connection's end, which tells why; nothing has to be taken for it to come."""
        await self._buffer.lift_limit()
        await asyncio.shield(self._reading)

    def failure(self, code: str, message: str) -> ClientError:
        """Return why the connection ended; what ``code`` and ``message`` say if it said nothing of that."""
        return self._failure or ClosedError(code, message)

    @property
    def failed(self) -> bool:
        """Whether the connection has ended otherwise than by a session that was finished."""
        return self._failure is not None

    async def close(self) -> None:
        """End the connection at once."""
        await self._buffer.lift_limit()  # a reader that waits would not see the other end's goodbye
        await close_socket(self._socket)
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def watch(self, work: Coroutine[Any, Any, object]) -> None:
        """Do what the session is used for beside who takes from here, who is told if it fails."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody waits for it: it is raised where the session is used
            await self._buffer.end(_as_failure(error))

    async def _read(self) -> None:
        try:
            while True:
                await self._take(await self._socket.recv())
        except ConnectionClosed as closed:
            if not self._conversation.finished:
                self._failure = self._conversation.failure(*goodbye(closed))
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = _as_failure(error)
            await close_socket(self._socket)
        finally:
            self._admitted.set()
            await self._buffer.end(self._failure)

    async def _take(self, message: str | bytes) -> None:
        before = self._conversation.progress.position
        items = self._conversation.receive(message)
        for left, item in zip(range(len(items) - 1, -1, -1), items, strict=True):  # a gap comes before its event
            place = before if left else self._conversation.progress.position
            await self._buffer.put((item, place), len(message))
        if self._conversation.admitted:
            self._admitted.set()


def _as_failure(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    failure = ClosedError(ClientCode.BROKEN, f"the client itself broke: {error!r}")
    failure.__cause__ = error
    return failure
