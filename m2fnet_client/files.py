"""A media file sent at its own speed. Its decoder is loaded only then: a client that sends none need not have it."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from m2fnet_client.errors import ClientCode, ClientError
from wire.media import MediaMessage

if TYPE_CHECKING:
    from m2fnet_client.file_media import DueMessage

FRAMES_PER_SECOND: Final = 8.0


async def send_file(
    send: Callable[[MediaMessage], Awaitable[None]], path: Path | str, frames_per_second: float, start_ms: float
) -> float:
    """Give ``send`` the messages of a media file, each when it would happen live.

    Args:
        send: of a session.
        path: of any container and codec that FFmpeg reads.
        frames_per_second: at most; 0: the sound alone.
        start_ms: media time of its beginning.

    Returns:
        The media time of its end, in milliseconds.

    Raises:
        ClientError: the file can't be read, or no file can be, for want of a decoder.
    """
    loop = asyncio.get_running_loop()
    messages = _messages(path, frames_per_second)
    begun, end_ms = loop.time(), start_ms
    decoder = ThreadPoolExecutor(1, "file decoder")  # it takes longer than others may be kept waiting
    try:
        while (due := await loop.run_in_executor(decoder, next, messages, None)) is not None:
            await asyncio.sleep(due.due_ms / 1000 - (loop.time() - begun))
            message = due.message
            await send(MediaMessage(message.kind, round(message.time_ms + start_ms), message.payload))
            end_ms = max(end_ms, due.due_ms + start_ms)
    finally:
        await loop.run_in_executor(decoder, messages.close)
        decoder.shutdown(wait=False)
    return end_ms


def _messages(path: Path | str, frames_per_second: float) -> Generator["DueMessage"]:
    try:
        from m2fnet_client import file_media  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        message = f"to send a file takes {error.name}, which is not installed: pip install 'm2fnet-client[files]'"
        raise ClientError(ClientCode.NO_DECODER, message) from error
    yield from file_media.file_messages(path, frames_per_second)
