"""What one connection is sent, and how long it may take to read it."""

import asyncio
from contextlib import suppress

from websockets.asyncio.server import ServerConnection

from serving.rooms.broadcast import Subscription


class TooSlowError(Exception):
    """The other end does not read what it is sent."""


class Outbox:
    """Sends one connection what its subscription holds, and closes it when it does not read."""

    def __init__(self, connection: ServerConnection, patience_s: float) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say, from any thread, that something waits."""
        with suppress(RuntimeError):  # the loop is closed: there is nobody to send to
            self._loop.call_soon_threadsafe(self._woken.set)

    async def drain(self, subscription: Subscription) -> None:
        """Send until the subscription was ended and is empty.

        Raises:
            TooSlowError: when the other end stays behind for longer than the patience.
            ConnectionClosed: when the other end is gone.
        """
        while True:
            self._woken.clear()
            while (message := subscription.take()) is not None:
                await self._send(message)
                if subscription.overdue:
                    raise TooSlowError
            if subscription.finished:
                return
            await self._woken.wait()

    async def _send(self, message: str | bytes) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._connection.send(message)
        except TimeoutError:
            raise TooSlowError from None
