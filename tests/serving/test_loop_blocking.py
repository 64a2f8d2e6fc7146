"""Nothing that takes long is done in the event loop's thread, where it would delay every connection at once.

What takes long is known by its name, not by a clock: frames are decoded and networks computed elsewhere.
"""

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import numpy as np
import pytest
from PIL import Image
from running_server import control, running, sound, until

from models.bundle import Bundle
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from serving.sessions.registry import MakeSession
from serving.sessions.worker import Emit
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.jpeg import decode_jpeg
from stream.live_models import LiveModels
from stream.media import AudioChunk
from stream.recording.record import SessionRecord
from stream.session import Session
from stream.settings import Settings
from stream.speech.transcriber import Transcriber
from wire.media import MediaKind, MediaMessage, encode_media

SECONDS = 4
NETWORKS: Final = {"ctranslate2", "faster_whisper", "onnxruntime", "openvino", "torch"}
DECODERS: Final = {"ImagingDecoder.decode", "imdecode"}

pytestmark = pytest.mark.slow


@contextmanager
def heavy_calls() -> Iterator[set[str]]:
    """Yield the packages of networks and the decoders that this thread calls, the loop's own."""
    called: set[str] = set()

    def note(frame: FrameType, kind: str, function: object) -> None:
        if kind == "call":
            called.update({frame.f_globals.get("__name__", "").partition(".")[0]} & NETWORKS)
        elif kind == "c_call":
            called.update({getattr(function, "__qualname__", "")} & DECODERS)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


@pytest.fixture(scope="module")
def make_session(bundle: Bundle) -> Iterator[MakeSession]:
    settings = Settings()
    models = LiveModels(Runtime(bundle, TorchEngine(bundle)), Transcriber(settings.transcriber), settings.vision)

    def make(
        settings: Settings, emit: Emit, speaker: str, context: SessionContext, _: SessionRecord | None = None
    ) -> Session:
        return Session(models, settings, emit, speaker=speaker, live=True, context=context)

    yield make
    models.close()


def large_jpeg(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (720, 1280, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


async def test_sessions_do_their_work_outside_the_loop(make_session: MakeSession) -> None:
    speech = np.random.default_rng(0).integers(-20_000, 20_000, 16_000).astype("<i2").tobytes()
    frames = {
        time_ms: encode_media(MediaMessage(MediaKind.JPEG, time_ms, large_jpeg(time_ms)))
        for time_ms in range(0, SECONDS * 1000, 200)
    }
    with heavy_calls() as called:
        async with running(make_session) as run:
            connections = [await run.open() for _ in range(2)]
            for second in range(SECONDS):
                for connection in connections:
                    await connection.send(sound(second * 1000, speech))
                    for time_ms in range(second * 1000, (second + 1) * 1000, 200):
                        await connection.send(frames[time_ms])
            for connection in connections:
                await connection.send(control("session.close"))
                ended = await until(connection, "session.closed")
                assert ended[-1]["totals"]["audio_chunks"] == SECONDS
                assert ended[-1]["totals"]["video_frames"] > 0
    assert called == set()


async def test_what_blocks_the_loop_would_be_seen(make_session: MakeSession) -> None:
    frame = large_jpeg(0)

    def decode_and_compute() -> None:
        session = make_session(Settings(), [].append, "Ann", SessionContext(SharedDialog(16)))
        session.push(AudioChunk(0.0, np.zeros(1_600, np.float32)))
        session.finish()
        decode_jpeg(frame)

    with heavy_calls() as called:
        asyncio.get_running_loop().call_soon(decode_and_compute)
        await asyncio.sleep(0)
    assert called >= {"ImagingDecoder.decode", "onnxruntime"}
