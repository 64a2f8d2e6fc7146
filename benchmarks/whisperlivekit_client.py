"""A participant of WhisperLiveKit's server: 100 ms of sound at a time at the pace of life, and what it shows when."""

import asyncio
import json
import time
from typing import Any, Final
from urllib.parse import urlunsplit

from transcript_clock import Shown
from websockets.asyncio.client import ClientConnection, connect

from stream.media import SAMPLES_PER_MS, Samples
from wire.pcm import to_pcm

_PIECE_MS: Final = 100
_PATIENCE_S: Final = 60.0  # for its last words, after the last sound


async def listen_to(address: str, sound: Samples) -> list[Shown]:
    """Play ``(n,)`` float32 sound at 16 kHz to the server at ``host:port`` and return what it showed.

    Raises:
        TimeoutError: it did not end.
    """
    async with connect(urlunsplit(("ws", address, "/asr", "language=en", "")), max_size=None) as socket:
        begun = time.perf_counter()
        async with asyncio.timeout(len(sound) / SAMPLES_PER_MS / 1000 + _PATIENCE_S):
            _, shown = await asyncio.gather(_speak(socket, sound, begun), _watch(socket, begun))
    return shown


async def _speak(socket: ClientConnection, sound: Samples, begun: float) -> None:
    size = _PIECE_MS * SAMPLES_PER_MS
    for number, start in enumerate(range(0, len(sound), size), 1):
        await asyncio.sleep(number * _PIECE_MS / 1000 - (time.perf_counter() - begun))
        await socket.send(to_pcm(sound[start : start + size]))
    await socket.send(b"")  # its word for the end


async def _watch(socket: ClientConnection, begun: float) -> list[Shown]:
    shown: list[Shown] = []
    async for message in socket:
        told: dict[str, Any] = json.loads(message)
        if told.get("type") == "ready_to_stop":
            break
        if "lines" in told:
            final = " ".join(line["text"] or "" for line in told["lines"])
            both = f"{final} {told['buffer_transcription']}"
            shown.append(Shown((time.perf_counter() - begun) * 1000, final.split(), both.split()))
    return shown
