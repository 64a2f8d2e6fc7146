"""A WebSocket that does not pile up answers for a peer that does not read them."""

from typing import Final

from websockets.asyncio.server import ServerConnection

MAX_UNREAD_BYTES: Final = 16_000_000  # what we send of our own waits for the peer much earlier


class GuardedConnection(ServerConnection):
    """Cuts off who sends pings without end and reads none of the answers, which the library writes by itself."""

    def data_received(self, data: bytes) -> None:
        """Take what came, and look at what has not gone out."""
        super().data_received(data)
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()
