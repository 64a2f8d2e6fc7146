"""A real server on a free port, and what tests need to talk to it."""

import asyncio
import contextlib
import io
import json
import threading
import wave
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from waiting import PATIENCE_S
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from models.runtime.fallback import Fallback
from models.runtime.figures import BatchFigures
from models.runtime.switching import EngineState
from serving import run as server_run
from serving.live import LiveServer, Plan
from serving.sessions.registry import MakeSession
from stream.dialog.session_context import SessionContext
from stream.live_models import ModelFigures
from stream.media import AudioChunk, VideoFrame
from stream.recording.record import Recorder, SessionRecord
from stream.settings import ServerSettings, Settings
from stream.speech.transcriber import AsrFigures
from wire import events
from wire.addresses import subprotocols
from wire.events import Event, Totals
from wire.media import MediaKind, MediaMessage, encode_media

Emit = Callable[[Event], None]
Message = dict[str, Any]
Made = TypeVar("Made")
LATENCY = events.Latency(endpoint_ms=0, transcript_ms=0, features_ms=0, fusion_ms=0, total_ms=0)
HEARD = AsrFigures(
    waiting=1, first=BatchFigures({1: 4}, 2.0), again=BatchFigures({1: 1}, 1.5), done={"final": 4}, sound_s=12.0
)
SECOND = bytes(2 * 16_000)
# No limit of the server's ends a test on a busy machine; those that are tested are given by their tests.
PATIENT: Mapping[str, object] = {
    "auth_timeout_s": 60,
    "handshake_timeout_s": 60,
    "ping_timeout_s": 600,
    "stop_timeout_s": 60,
    "watcher_patience_s": 600,
}


FIGURES = ModelFigures(
    engine=EngineState("none", "better"),
    bundle="test",
    fallbacks=(Fallback("worse", "it broke"),),
    computed={"face": BatchFigures({2: 3}, 0.5)},
    waiting={"utterance": 1, "frame": 4},
    dropped={("face", "deadline"): 2},
    asr_name="test",
    asr=HEARD,
    hanging=None,
)


@dataclass(frozen=True)
class Names:
    labels: tuple[str, ...] = ("neutral", "joy")
    figures: ModelFigures = FIGURES

    def check_language(self, language: str | None) -> None:
        if language == "xx":
            message = "the speech model does not know the language 'xx', it knows de, en"
            raise ValueError(message)


class EverySound:
    """A session for which each chunk of sound is an utterance; what the server does with it is what is tested."""

    def __init__(
        self, settings: Settings, emit: Emit, speaker: str, context: SessionContext, _: SessionRecord | None = None
    ) -> None:
        self.settings, self.emit, self.speaker, self.context = settings, emit, speaker, context
        self.sounds = self.frames = 0

    def push(self, media: AudioChunk | VideoFrame) -> None:
        if isinstance(media, VideoFrame):
            self.frames += 1
            height, width = media.image.shape[:2]
            self.emit(events.Faces(time_ms=int(media.time_ms), width=width, height=height, faces=[]))
            return
        self.sounds += 1
        start, end = int(media.time_ms), int(media.end_ms)
        placed = round(self.context.room_ms(start))
        self.emit(
            events.TranscriptPartial(
                utterance=self.sounds, speaker=self.speaker, start_ms=start, room_start_ms=placed, text="so"
            )
        )
        self.emit(self.emotion(start, end))

    def emotion(self, start_ms: int, end_ms: int) -> events.Emotion:
        return events.Emotion(
            utterance=self.sounds,
            revision=0,
            final=True,
            speaker=self.speaker,
            start_ms=start_ms,
            end_ms=end_ms,
            room_start_ms=round(self.context.room_ms(start_ms)),
            text="so it is",
            label="joy",
            probabilities={"neutral": 0.25, "joy": 0.75},
            modalities=["audio"],
            latency=LATENCY,
        )

    def poll(self) -> None:
        pass

    @property
    def totals(self) -> Totals:
        return Totals(utterances=self.sounds, audio_chunks=self.sounds, video_frames=self.frames)

    def finish(self) -> Totals:
        return self.totals

    def close(self) -> None:
        pass


@dataclass
class Running:
    port: int
    stop: asyncio.Event
    ended: asyncio.Task[None]
    tasks: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def open(
        self,
        path: str = "/v1/stream",
        *,
        origin: str | None = None,
        max_queue: int = 16,
        ping_interval: float | None = 20,
        token: str | None = None,
        key: str = "",
    ) -> ClientConnection:
        address = f"ws://127.0.0.1:{self.port}{path}"
        opening = connect(
            address,
            origin=Origin(origin) if origin else None,
            max_queue=max_queue,
            ping_interval=ping_interval,
            subprotocols=[Subprotocol(name) for name in subprotocols(key)] or None,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
        )
        return await self.tasks.enter_async_context(opening)

    async def health(self) -> Message:
        status, _, body = await get(self.port, "/healthz")
        assert status == 200
        return json.loads(body)

    async def until(self, holds: Callable[[Message], bool]) -> Message:
        """Ask for the health figures until they are so; the test's time limit ends it otherwise."""
        while True:
            if holds(health := await self.health()):
                return health
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(
    make_session: MakeSession = EverySound,  # type: ignore[assignment] # behaves as one, and says so by its methods
    plan: Plan | None = None,
    recorder: Recorder | None = None,
    **limits: object,
) -> AsyncIterator[Running]:
    settings = Settings(server=ServerSettings.model_validate({"port": 0} | PATIENT | limits))
    tls = server_run.tls_of(settings.server)
    ready, stop = asyncio.Event(), asyncio.Event()
    plan = plan or Plan()
    plan = replace(plan, on_ready=ready.set)
    with server_run.listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        live = LiveServer(settings, Names(), make_session, recorder)
        ended = asyncio.create_task(live.serve(sock, stop, plan, tls))
        started = asyncio.create_task(ready.wait())
        await asyncio.wait([ended, started], return_when=asyncio.FIRST_COMPLETED)
        run = Running(port, stop, ended)
        try:
            async with run.tasks:
                yield run
        finally:
            stop.set()
            await ended


@contextlib.contextmanager
def in_a_thread(make: Callable[[], contextlib.AbstractAsyncContextManager[Made]]) -> Iterator[Made]:
    """Have what ``make`` makes run in the event loop of a thread of its own, for tests that have none."""
    ready: Future[tuple[Made, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        leave = asyncio.Event()
        async with make() as made:
            ready.set_result((made, asyncio.get_running_loop(), leave))
            await leave.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    made, loop, leave = ready.result(PATIENCE_S)
    yield made
    loop.call_soon_threadsafe(leave.set)
    thread.join(PATIENCE_S)


async def get(port: int, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Do a plain request, with the target exactly as given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = {"Host": f"127.0.0.1:{port}"} | headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in fields), body


def sound(time_ms: int = 0, payload: bytes = SECOND) -> bytes:
    return encode_media(MediaMessage(MediaKind.PCM_S16, time_ms, payload))


def chunk_of(time_ms: float) -> AudioChunk:
    return AudioChunk(time_ms, np.zeros(1_600, np.float32))


def frame(time_ms: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "JPEG")
    return encode_media(MediaMessage(MediaKind.JPEG, time_ms, file.getvalue()))


def control(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind} | fields)


async def event(connection: ClientConnection) -> Message:
    text = await connection.recv()
    assert isinstance(text, str)
    return json.loads(text)


async def until(connection: ClientConnection, kind: str) -> list[Message]:
    """Return the events up to and with the first of a kind."""
    got = [await event(connection)]
    while got[-1]["type"] != kind:
        got.append(await event(connection))
    return got


async def closing(connection: ClientConnection) -> tuple[list[Message], int, str]:
    """Return all that is left, the close code and its reason."""
    got = [json.loads(message) async for message in quietly(connection)]
    assert connection.close_code is not None
    return got, connection.close_code, connection.close_reason or ""


async def quietly(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    """Yield messages until the connection ends, however it ends."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await connection.recv()


def kinds(messages: list[Message]) -> list[str]:
    return [message["type"] for message in messages]


def tone(path: Path) -> Path:
    """Write half a second of sound."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.full(8_000, 1_000, "<i2").tobytes())
    return path
