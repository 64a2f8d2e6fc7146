"""A listening socket that keeps account of what it has accepted, from the first moment: before TLS, before HTTP."""

import socket
from contextlib import suppress
from typing import Any, Self

from serving.http.waiting import Waiting


class Listener(socket.socket):
    """Accepts connections, and notes each as waiting until it closes or somebody else says that it was let in."""

    waiting: Waiting

    @classmethod
    def instead_of(cls, listening: socket.socket, waiting: Waiting) -> Self:
        """Return what listens from now on in the place of a socket, which is closed thereby."""
        made = cls(listening.family, listening.type, listening.proto, fileno=listening.detach())
        made.setblocking(False)
        made.waiting = waiting
        return made

    def accept(self) -> tuple["Accepted", Any]:
        """Return a connection and the address it comes from, as the base class does."""
        connection, address = super().accept()
        accepted = Accepted(connection.family, connection.type, connection.proto, fileno=connection.detach())
        accepted.waiting = self.waiting
        self.waiting.enter(accepted.fileno(), str(address[0]), accepted.cut_off)
        return accepted, address


class Accepted(socket.socket):
    """A connection that was accepted."""

    waiting: Waiting

    def cut_off(self) -> None:
        """End it for both sides; whoever reads it sees that, and closes it."""
        with suppress(OSError):  # it has ended already
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it; it waits no more."""
        self.waiting.leave(self.fileno())
        super().close()
