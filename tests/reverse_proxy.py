"""A small reverse proxy that shows a server under a path of its own, as nginx and its like do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Proxy:
    """Passes requests below ``prefix`` on to a port of this machine.

    Attributes:
        strips: whether it takes the prefix off the path.
        tells: whether it says so in ``X-Forwarded-Prefix``.
    """

    to: int
    prefix: str
    strips: bool = True
    tells: bool = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = self.passed_on(await reader.readuntil(b"\r\n\r\n"))
            if head is None:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.to)
            with contextlib.closing(inner_writer):
                inner_writer.write(head)
                there = asyncio.create_task(_pipe(reader, inner_writer))
                await _pipe(inner_reader, writer)
                there.cancel()

    def passed_on(self, head: bytes) -> bytes | None:
        """Return the head of a request as the server gets it, None for one that is not below the prefix."""
        line, _, rest = head.partition(b"\r\n")
        method, path, version = line.decode().split(" ")
        if not path.partition("?")[0].startswith(self.prefix):
            return None
        path = "/" + path.removeprefix(self.prefix).removeprefix("/") if self.strips else path
        told = f"X-Forwarded-Prefix: {self.prefix}\r\n" if self.tells else ""
        return f"{method} {path} {version}\r\n{told}".encode() + rest


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def proxied(proxy: Proxy) -> AsyncIterator[int]:
    """Run a proxy and yield its port."""
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
