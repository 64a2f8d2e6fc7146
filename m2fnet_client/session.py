"""A participant: sends sound and frames, and gets the events of its session or its room."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from m2fnet_client import files
from m2fnet_client.addresses import MediaName, Position, stream_address
from m2fnet_client.core import Conversation, Progress, Received
from m2fnet_client.errors import ClientCode, ClientError, ClosedError, UnreachableError
from m2fnet_client.files import FRAMES_PER_SECOND
from m2fnet_client.receiver import Receiver
from m2fnet_client.sockets import open_socket
from wire.control import SessionClose, SessionUpdate
from wire.events import SessionClosed
from wire.media import MAX_TIME_MS, MediaKind, MediaMessage, encode_media
from wire.pcm import to_pcm
from wire.settings import ClientSettings

FINISH_S: Final = 60.0
ADMISSION_S: Final = 10.0
READ_AHEAD: Final = 16


class Session:
    """A connection to ``/v1/stream``: see :func:`connect`.

    Iterating over it gives what the server tells, also what it told while nobody iterated: events
    (:mod:`wire.events`), :class:`~m2fnet_client.core.Gap` where some were lost, and with ``media`` the frames of
    the others (:class:`~wire.media.MediaMessage`). It ends after :meth:`finish`; otherwise it raises
    :class:`~m2fnet_client.errors.ClosedError` when the connection does.
    """

    def __init__(self, socket: ClientConnection, conversation: Conversation, name: str | None) -> None:
        self._socket = socket
        self._conversation = conversation
        self._name = name
        self._position = conversation.progress.position
        self._receiver = Receiver(socket, conversation)

    @property
    def id(self) -> str:
        """The session's id."""
        return self._conversation.session

    @property
    def key(self) -> str:
        """In a room: what proves, given to :func:`connect`, that it is the same participant who comes back."""
        return self._conversation.key

    @property
    def position(self) -> Position | None:
        """In a room: how far its events were iterated over; given to :func:`connect`, they go on from there."""
        return self._position

    @property
    def labels(self) -> list[str]:
        """The emotions; empty until ``session.created`` has told them."""
        created = self._conversation.created
        return list(created.labels) if created else []

    async def configure(self, settings: ClientSettings) -> None:
        """Change the session's settings; only before its first media. ``session.updated`` answers.

        Raises:
            ClosedError: the connection has ended.
        """
        if settings.speaker is None and self._name is not None:
            settings = settings.model_copy(update={"speaker": self._name})
        update = SessionUpdate(type="session.update", settings=settings)
        await self._send(update.model_dump_json(exclude_unset=True))

    async def send_audio(self, time_ms: float, samples: npt.NDArray[np.float32] | bytes) -> None:
        """Send sound, 16 kHz mono; 20 to 200 ms at a time is sensible.

        Args:
            time_ms: media time of the first sample, on the same clock as that of the frames.
            samples: numbers in [-1, 1], or bytes: 16-bit signed integers, little-endian.

        Raises:
            ClosedError: the connection has ended.
        """
        payload = samples if isinstance(samples, bytes) else to_pcm(np.asarray(samples, np.float32))
        await self.send(MediaMessage(MediaKind.PCM_S16, round(time_ms), payload))

    async def send_frame(self, time_ms: float, jpeg: bytes) -> None:
        """Send a JPEG frame; more than 640 pixels of width help nobody.

        Raises:
            ClosedError: the connection has ended.
        """
        await self.send(MediaMessage(MediaKind.JPEG, round(time_ms), jpeg))

    async def send(self, message: MediaMessage) -> None:
        """Send sound or a frame that is encoded already.

        Raises:
            ClientError: its time is negative or too late for the protocol.
            ClosedError: the connection has ended.
        """
        if not 0 <= message.time_ms <= MAX_TIME_MS:
            text = f"media time goes from 0 to {MAX_TIME_MS} ms: {message.time_ms} can't be sent"
            raise ClientError(ClientCode.TIME_INVALID, text)
        await self._send(encode_media(message))

    async def send_file(
        self, path: Path | str, *, frames_per_second: float = FRAMES_PER_SECOND, start_ms: float = 0.0
    ) -> float:
        """Send a media file at its own speed, as if it happened now.

        Args:
            path: of any container and codec that FFmpeg reads.
            frames_per_second: at most; 0: the sound alone.
            start_ms: media time of its beginning, to send one after the other.

        Returns:
            The media time of its end, in milliseconds.

        Raises:
            ClientError: the file can't be read.
            ClosedError: the connection has ended.
        """
        return await files.send_file(self.send, path, frames_per_second, start_ms)

    async def play(self, path: Path | str, *, frames_per_second: float = FRAMES_PER_SECOND) -> AsyncGenerator[Received]:
        """Send a media file as :meth:`send_file` does, finish the session, and yield what is told meanwhile.

        Raises:
            ClientError: the file can't be read, or as iterating over the session does.
        """
        playing = asyncio.create_task(self._receiver.watch(self._play(path, frames_per_second)))
        try:
            async for item in self:
                yield item
        finally:
            playing.cancel()
            await asyncio.wait([playing])

    async def finish(self, timeout_s: float = FINISH_S) -> SessionClosed:
        """End the session; its last emotions are waited for, and can be iterated over afterwards, too.

        Raises:
            ClosedError: the connection ended before the session did, or the server took longer than ``timeout_s``.
        """
        await self._send(SessionClose(type="session.close").model_dump_json())
        try:
            await asyncio.wait_for(self._receiver.ended(), timeout_s)
        except TimeoutError:
            message = f"the server did not finish the session within {timeout_s:.0f} s"
            raise ClosedError(ClientCode.FINISH_TIMEOUT, message) from None
        closed = self._conversation.closed
        if self._receiver.failed or closed is None:
            raise self._receiver.failure(ClientCode.LOST, "the connection was lost")
        return closed

    async def close(self) -> None:
        """End the connection at once; what was said is finished for those who watch."""
        await self._receiver.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received:
        item, self._position = await self._receiver.take()
        return item

    async def admitted(self) -> None:
        """Wait until the server has let the client in.

        Raises:
            RefusedError: it does not.
            ClosedError: the connection ended.
        """
        await self._receiver.admitted()

    async def _play(self, path: Path | str, frames_per_second: float) -> None:
        await self.send_file(path, frames_per_second=frames_per_second)
        await self.finish()

    async def _send(self, message: str | bytes) -> None:
        if self._socket.state is State.OPEN:  # see close_socket
            with suppress(ConnectionClosed):
                await self._socket.send(message)
                return
        await self._receiver.ended()  # the last messages tell why
        raise self._receiver.failure(ClientCode.ENDED, "the session has ended")


@asynccontextmanager
async def connect(
    url: str,
    *,
    room: str | None = None,
    name: str | None = None,
    token: str | None = None,
    key: str = "",
    position: Position | None = None,
    media: Collection[MediaName] = (),
    ca_file: Path | str | None = None,
) -> AsyncGenerator[Session]:
    """Connect as a participant.

    Args:
        url: of the server, as it prints it: ``host:port``, ``http(s)://…`` or ``ws(s)://…``.
        room: the call to join; None: a session of its own.
        name: the participant's; others of the room see it.
        token: what a server that isn't open to everybody wants.
        key: :attr:`Session.key` of an earlier connection, to come back while the server thinks it is still there.
        position: :attr:`Session.position` of an earlier connection, to get what was missed since.
        media: ``video`` to be sent the frames of the others.
        ca_file: certificates (PEM) to trust for ``https`` besides those of this machine.

    Raises:
        UnreachableError: nobody answers.
        RefusedError: the server does not let the client in.
    """
    address = stream_address(url, room=room, name=name, position=position, media=media)
    key = key if room is not None else ""
    socket = await open_socket(address, token=token, key=key, ca_file=ca_file, max_queue=READ_AHEAD)
    conversation = Conversation(Progress(position, session_counts=room is None), watching=False)
    session = Session(socket, conversation, name if room is None else None)
    try:
        try:
            await asyncio.wait_for(session.admitted(), ADMISSION_S)
        except TimeoutError:
            message = "the server opened a connection and said nothing; is there another program at the address?"
            raise UnreachableError(ClientCode.UNREACHABLE, message) from None
        if room is None and name is not None:
            await session.configure(ClientSettings())
        yield session
    finally:
        await session.close()
