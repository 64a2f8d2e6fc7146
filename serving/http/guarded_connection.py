"""A WebSocket that takes little before it is let in, and does not pile up answers for a peer that reads none."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.typing import Data

MAX_UNREAD_BYTES: Final = 16_000_000  # what we send of our own waits for the peer much earlier
MAX_REQUEST_BYTES: Final = 32_768  # its headers included: other servers' cookies of the same name are among them
MAX_FIRST_BYTES: Final = 8_192  # the token's message, and what it takes to say goodbye
MAX_HELD_BYTES: Final = 2**19  # of a client that goes on sending without waiting for the answer to its token
STEP_BYTES: Final = 512


class GuardedConnection(ServerConnection):
    """Reads a request and one small message; all else has to wait, unread, until :meth:`let_in`.

    Also cuts off who sends pings without end and reads none of the answers, which the library writes by itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - of the base class
        super().__init__(*args, **kwargs)
        self._is_in = False
        self._told = False
        self._read_bytes = 0
        self._held = bytearray()
        self._too_much = asyncio.Event()

    @property
    def number(self) -> int:
        """What the system calls its socket; -1 when that is closed."""
        return int(self.transport.get_extra_info("socket").fileno())

    async def first_message(self) -> Data:
        """Return the first message, or nothing of it where it is longer than that of a token.

        Raises:
            ConnectionClosed: the other end has gone.
        """
        receiving, too_much = asyncio.create_task(self.recv()), asyncio.create_task(self._too_much.wait())
        try:
            await asyncio.wait([receiving, too_much], return_when=asyncio.FIRST_COMPLETED)
            return await receiving if receiving.done() else b""
        finally:
            receiving.cancel()
            too_much.cancel()

    def let_in(self) -> None:
        """Read from now on whatever comes, beginning with what has come already."""
        self._is_in = True
        if self._held and self.state is State.OPEN:
            super().data_received(bytes(self._held))
        self._held.clear()

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close as the base class does, without waiting for a goodbye behind what is not read any more."""
        if not self._is_in and self.state is State.OPEN and (self._held or self._too_much.is_set()):
            self._give_up()
            self.protocol.fail(code, reason)
            self.send_data()
        await super().close(code, reason)

    async def keepalive(self) -> None:
        """Send pings, and end the connection where that breaks: nobody would notice any more that its peer is gone."""
        await super().keepalive()  # is cancelled at the end of a connection: what returns has broken, and was logged
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came, and look at what has not gone out."""
        if self._is_in:
            super().data_received(data)
        elif not self._too_much.is_set():
            self._held += data
            self._read_on()
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()

    def process_event(self, event: Event) -> None:
        """Take note of how far the peer has come."""
        if isinstance(event, Request):
            self._read_bytes = 0
        elif isinstance(event, Frame) and event.opcode in DATA_OPCODES and event.fin:
            self._told = True
        super().process_event(event)

    def _read_on(self) -> None:
        """Read, bit by bit, up to the end of the first message, and give up when it is not in sight."""
        while self._held and (self.state is State.CLOSING or not self._told):
            if self._read_bytes >= (MAX_REQUEST_BYTES if self.request is None else MAX_FIRST_BYTES):
                self._give_up()
                return
            step = bytes(self._held[:STEP_BYTES])
            del self._held[:STEP_BYTES]
            self._read_bytes += len(step)
            super().data_received(step)
        if len(self._held) > MAX_HELD_BYTES:
            self.transport.abort()

    def _give_up(self) -> None:
        """Throw away what came and what still comes, so that the answer arrives."""
        self._too_much.set()
        self._held.clear()
        if self.request is None:
            too_large = self.protocol.reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long\n")
            self.protocol.send_response(too_large)
            self.send_data()
