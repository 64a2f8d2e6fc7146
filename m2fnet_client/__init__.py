"""A client of the live server: send sound and frames, get the emotion of every utterance.

    async with connect("127.0.0.1:8765", room="standup", name="Ana") as session:
        await session.send_audio(0, samples)
        async for event in session:
            ...

    async for event in watch("127.0.0.1:8765", room="standup"):
        ...

:func:`connect_sync` and :func:`watch_sync` do the same without an event loop. docs/client-python.md tells more.
"""

from m2fnet_client.addresses import Position
from m2fnet_client.blocking import BlockingSession, BlockingWatcher, connect_sync, watch_sync
from m2fnet_client.core import Gap, Received, UnknownEvent
from m2fnet_client.errors import ClientError, ClosedError, InvalidMessageError, RefusedError, UnreachableError
from m2fnet_client.session import Session, connect
from m2fnet_client.watcher import Reconnecting, Watched, Watcher, watch
from wire.backoff import Retry

__all__ = [
    "BlockingSession",
    "BlockingWatcher",
    "ClientError",
    "ClosedError",
    "Gap",
    "InvalidMessageError",
    "Position",
    "Received",
    "Reconnecting",
    "RefusedError",
    "Retry",
    "Session",
    "UnknownEvent",
    "UnreachableError",
    "Watched",
    "Watcher",
    "connect",
    "connect_sync",
    "watch",
    "watch_sync",
]
