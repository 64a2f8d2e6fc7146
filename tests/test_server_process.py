"""The program as a user starts it, with the real models and real speech."""

import asyncio
import json
import signal
import urllib.request
from pathlib import Path

import av
import pytest
from server_process import serving
from websockets.asyncio.client import connect

from stream.protocol import MediaKind, MediaMessage, encode_media

ROOT = Path(__file__).parents[1]
SENTENCE = ROOT / "tests" / "fixtures" / "speech" / "one_sentence.opus"

pytestmark = pytest.mark.slow


def sentence() -> list[bytes]:
    """Return the fixture as messages of 100 ms, with a second of silence after it."""
    resampler = av.AudioResampler("s16", "mono", 16_000)
    with av.open(str(SENTENCE)) as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    pcm = b"".join(frame.to_ndarray().tobytes() for frame in frames) + bytes(2 * 16_000)
    pieces = [pcm[start : start + 3200] for start in range(0, len(pcm), 3200)]
    return [encode_media(MediaMessage(MediaKind.PCM_S16, 100 * index, piece)) for index, piece in enumerate(pieces)]


async def test_speech_becomes_an_emotion_and_a_signal_ends_it_cleanly() -> None:
    async with serving() as (process, address):
        health = json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/healthz").read()))
        assert (health["status"], health["sessions"]) == ("ok", 0)
        async with connect(f"ws://{address}/v1/stream") as client:
            for message in sentence():
                await client.send(message)
            await client.send(json.dumps({"type": "session.close"}))
            told = [json.loads(message) async for message in client]
        assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
        final = [event for event in told if event["type"] == "emotion" and event["final"]]
        assert final
        assert {event["utterance"] for event in final} == {final[0]["utterance"]}
        assert len(final[0]["text"].split()) >= 3
        assert set(final[0]["probabilities"]) == set(told[0]["labels"])
        assert sum(final[0]["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert (told[-1]["type"], told[-1]["totals"]["utterances"]) == ("session.closed", 1)
        await stop_in_the_middle_of_a_session(process, address)


async def stop_in_the_middle_of_a_session(process: asyncio.subprocess.Process, address: str) -> None:
    async with connect(f"ws://{address}/v1/stream") as client:
        for message in sentence():
            await client.send(message)
        told = [json.loads(await client.recv())]
        while told[-1]["type"] != "speech.started":
            told.append(json.loads(await client.recv()))
        process.send_signal(signal.SIGTERM)
        told += [json.loads(message) async for message in client]
    assert (told[-1]["type"], told[-1]["reason"]) == ("session.closed", "server.stopped")
    assert await process.wait() == 0


async def test_a_source_that_ends_ends_the_server_with_0() -> None:
    async with serving("--source", str(SENTENCE), "--exit-when-done", "--wait-for-watcher") as (process, address):
        async with connect(f"ws://{address}/v1/events") as watcher:
            told = [json.loads(message) async for message in watcher]
        assert [event["type"] for event in told].count("session.closed") == 1
        assert any(event["type"] == "emotion" and event["final"] for event in told)
        assert await process.wait() == 0


async def test_a_server_whose_engine_is_being_built_serves_and_ends_cleanly(tmp_path: Path) -> None:
    async with serving("--set", "runtime.engine=openvino", XDG_CACHE_HOME=str(tmp_path)) as (process, address):
        health = json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/healthz").read()))
        assert (health["engine"], health["engine_building"]) == ("torch-cpu", "openvino")
        async with connect(f"ws://{address}/v1/stream") as client:
            await client.send(sentence()[0])
            told = [json.loads(await client.recv())]
            while told[-1].get("code") != "engine.building":
                told.append(json.loads(await client.recv()))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
