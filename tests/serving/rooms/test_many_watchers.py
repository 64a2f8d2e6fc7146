"""Fifty watchers of one room, five of which do not read: nobody else notices, and memory stays bounded."""

import asyncio
import socket
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest
from running_server import Running, running
from websockets.asyncio.client import ClientConnection, connect

from m2fnet_client import Watcher, watch
from m2fnet_client import connect as join
from serving import run as server_run
from serving.rooms import broadcast
from serving.rooms.watcher_queue import WAITING_PREVIEWS, WatcherQueue
from stream.jpeg import encode_preview
from wire import events
from wire.events import Published
from wire.media import MediaKind

READERS, STALLED = 45, 5
CAPACITY = 128
ROUNDS, PIECES = 10, 15
SMALL = 4_096


class Measured(WatcherQueue):
    """A queue that notes how full it was at most, in messages and bytes."""

    made: list["Measured"]

    def __init__(self, capacity: int, patience_s: float) -> None:
        super().__init__(capacity, patience_s)
        self.most_messages = self.most_bytes = 0
        self.made.append(self)

    def offer(self, published: Published, now: float) -> None:
        super().offer(published, now)
        self.measure()

    def offer_preview(self, number: int, kind: MediaKind, data: bytes) -> None:
        super().offer_preview(number, kind, data)
        self.measure()

    def measure(self) -> None:
        self.most_messages = max(self.most_messages, len(self))
        waiting = sum(len(item.text) for item in self._events) + sum(len(data) for _, data in self._previews)
        self.most_bytes = max(self.most_bytes, waiting)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> list[Measured]:
    """The queues of all watchers, in the order in which they came."""
    monkeypatch.setattr(Measured, "made", [], raising=False)
    monkeypatch.setattr(broadcast, "WatcherQueue", Measured)
    return Measured.made


@pytest.fixture
def _small_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's sockets hold little, so that who does not read is noticed soon."""
    listen = server_run.listen

    def small(host: str, port: int) -> socket.socket:
        sock = listen(host, port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        return sock

    monkeypatch.setattr(server_run, "listen", small)


async def stalled(run: Running, path: str) -> ClientConnection:
    """Return a connection of which nothing is ever read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    sock.connect(("127.0.0.1", run.port))
    opening = connect(f"ws://127.0.0.1:{run.port}{path}", sock=sock, max_queue=1, ping_interval=None, close_timeout=0)
    return await run.tasks.enter_async_context(opening)


def noise() -> bytes:
    """Return a frame that JPEG can't make small."""
    return encode_preview(np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8))


@dataclass
class Reader:
    """What one watcher got; no more of it is kept than is checked, so that memory is the server's."""

    watcher: Watcher
    numbers: list[int] = field(default_factory=list)
    emotions: list[int] = field(default_factory=list)
    longest: int = 0

    async def read_to(self, start_ms: int) -> None:
        """Take everything up to and with an emotion; a gap or a lost connection is no event."""
        while start_ms not in self.emotions[-1:]:
            event = await anext(self.watcher)
            assert isinstance(event, events.EventBase), event
            self.numbers.append(event.seq)
            self.longest = max(self.longest, len(event.model_dump_json()))
            if isinstance(event, events.Emotion):
                self.emotions.append(event.start_ms)


@pytest.mark.usefixtures("_small_sockets")
async def test_five_of_fifty_do_not_read(queues: list[Measured]) -> None:
    limits = {"watcher_queue": CAPACITY, "watcher_patience_s": 600.0}
    async with running(**limits) as run:
        url = f"127.0.0.1:{run.port}"
        readers = [Reader(await run.tasks.enter_async_context(watch(url, room="R"))) for _ in range(READERS)]
        waiting = [asyncio.create_task(anext(reader.watcher)) for reader in readers]
        for _ in range(STALLED):
            await stalled(run, "/v1/events?room=R&media=video")
        await run.until(lambda health: health["watchers"] == READERS + STALLED)
        async with join(url, room="R", name="Ana") as ana:
            assert {type(state) for state in await asyncio.gather(*waiting)} == {events.RoomState}
            before = psutil.Process().memory_info().rss
            jpeg = noise()
            for round_ in range(ROUNDS):
                for piece in range(PIECES):
                    time_ms = 100 * (round_ * PIECES + piece)
                    await ana.send_audio(time_ms, bytes(3_200))
                    await ana.send_frame(time_ms, jpeg)
                # So a reader is never further behind than one round, on however busy a machine.
                await asyncio.gather(*(reader.read_to(time_ms) for reader in readers))
            grown = psutil.Process().memory_info().rss - before
            health = await run.health()
        assert health["watchers"] == READERS + STALLED
        assert health["dropped"]["slow_connections"] == 0
        assert health["dropped"]["events"] > 0
    for reader in readers:
        assert reader.numbers == list(range(1, len(reader.numbers) + 1))
        assert reader.emotions == list(range(0, 100 * ROUNDS * PIECES, 100))
    full = [queue for queue in queues if queue.dropped.events]
    assert len(full) == STALLED
    for queue in queues:
        assert queue.most_messages <= CAPACITY + WAITING_PREVIEWS[MediaKind.JPEG]
        assert queue.most_bytes <= CAPACITY * readers[0].longest + WAITING_PREVIEWS[MediaKind.JPEG] * (len(jpeg) + 8)
    assert grown < 32 * 2**20
