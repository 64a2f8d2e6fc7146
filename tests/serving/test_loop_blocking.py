"""Nothing that takes long is done in the event loop, where it would delay every connection at once.

What a callback takes is measured in processor time of the loop's own thread: on a busy machine the clock on the wall
would also count what others do meanwhile.
"""

import asyncio
import io
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from running_server import control, running, sound, until

from models.bundle import Bundle
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from serving.hub import MakeSession
from stream.live_models import LiveModels
from stream.protocol import MediaKind, MediaMessage, encode_media
from stream.seat import Seat
from stream.session import Session
from stream.settings import Settings
from stream.transcriber import Transcriber
from stream.worker import Emit

LIMIT_MS = 20.0
SECONDS = 4

pytestmark = pytest.mark.slow


@pytest.fixture
def callbacks_ms(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What every callback of the loop has taken."""
    spent: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        spent.append((time.thread_time() - start) * 1000)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return spent


@pytest.fixture(scope="module")
def make_session(bundle: Bundle) -> Iterator[MakeSession]:
    settings = Settings()
    models = LiveModels(Runtime(bundle, TorchEngine(bundle)), Transcriber(settings.transcriber), settings.vision)

    def make(settings: Settings, emit: Emit, speaker: str, seat: Seat) -> Session:
        return Session(models, settings, emit, speaker=speaker, live=True, seat=seat)

    yield make
    models.close()


def large_picture(time_ms: int) -> bytes:
    noise = np.random.default_rng(time_ms).integers(0, 255, (720, 1280, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "JPEG", quality=90)
    return encode_media(MediaMessage(MediaKind.JPEG, time_ms, encoded.getvalue()))


async def test_sessions_do_their_work_outside_the_loop(make_session: MakeSession, callbacks_ms: list[float]) -> None:
    speech = np.random.default_rng(0).integers(-20_000, 20_000, 16_000).astype("<i2").tobytes()
    pictures = {time_ms: large_picture(time_ms) for time_ms in range(0, SECONDS * 1000, 200)}
    async with running(make_session) as run:
        connections = [await run.open() for _ in range(2)]
        callbacks_ms.clear()
        for second in range(SECONDS):
            for connection in connections:
                await connection.send(sound(second * 1000, speech))
                for time_ms in range(second * 1000, (second + 1) * 1000, 200):
                    await connection.send(pictures[time_ms])
        for connection in connections:
            await connection.send(control("session.close"))
            ended = await until(connection, "session.closed")
            assert ended[-1]["totals"]["audio_chunks"] == SECONDS
    assert len(callbacks_ms) > 100
    assert max(callbacks_ms) < LIMIT_MS


async def test_what_blocks_the_loop_would_be_seen(callbacks_ms: list[float]) -> None:
    async def busy() -> None:
        end = time.thread_time() + 2 * LIMIT_MS / 1000
        while time.thread_time() < end:
            pass

    await asyncio.create_task(busy())
    assert max(callbacks_ms) >= LIMIT_MS
