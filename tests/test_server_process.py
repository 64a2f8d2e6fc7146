"""The program as a user starts it, with the real models and real speech."""

import asyncio
import json
import re
import signal
import sys
import urllib.request
from pathlib import Path

import av
import pytest
from prometheus_client.parser import text_string_to_metric_families
from server_process import serving
from websockets.asyncio.client import connect

from wire.media import MediaKind, MediaMessage, encode_media

ROOT = Path(__file__).parents[1]
SENTENCE = ROOT / "tests" / "fixtures" / "speech" / "one_sentence.opus"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(bundle_folder: Path) -> tuple[str, ...]:
    """What has a server ready soon, where it is not its networks that are tested."""
    return ("--set", f"runtime.bundle={bundle_folder}", "--set", "runtime.engine=torch")


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


async def test_a_source_that_ends_ends_the_server_with_0(small: tuple[str, ...]) -> None:
    async with serving(*small, "--source", str(SENTENCE), "--exit-when-done", "--wait-for-watcher") as (
        process,
        address,
    ):
        async with connect(f"ws://{address}/v1/events") as watcher:
            told = [json.loads(message) async for message in watcher]
        assert [event["type"] for event in told].count("session.closed") == 1
        assert any(event["type"] == "emotion" and event["final"] for event in told)
        assert await process.wait() == 0


async def test_a_source_that_can_not_be_played_ends_the_server_with_1(tmp_path: Path, small: tuple[str, ...]) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no media")
    command = (sys.executable, "-m", "cli", "serve", "--source", str(broken), "--exit-when-done", "--port", "0", *small)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()
    assert process.returncode == 1
    (line,) = [line for line in told.decode().splitlines() if line.startswith("m2fnet serve:")]
    assert "broken.mp4 is not a media file" in line


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


@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_log_holds_neither_who_speaks_nor_what_is_said(form: str, small: tuple[str, ...]) -> None:
    log: list[str] = []
    async with serving(*small, "--set", f"server.log_format={form}", log=log) as (process, address):
        path = "/v1/stream?room=Sales+Call&name=Ana+Secret"
        async with connect(f"ws://{address}{path}") as client:
            for message in [
                *sentence(),
                encode_media(MediaMessage(MediaKind.JPEG, 0, b"\xff\xd8\xff no frame")),
                b"garbage",
            ]:
                await client.send(message)
            await client.send(json.dumps({"type": "session.close", "who": "Ana Secret"}))
            await client.send(json.dumps({"type": "session.close"}))
            told = [json.loads(message) async for message in client]
        async with connect(f"ws://{address}{path}&since=Ana+Secret&key=abc") as refused:
            assert json.loads(await refused.recv())["type"] == "error"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    (said, *_) = [event["text"] for event in told if event["type"] == "emotion" and event["final"]]
    whole = "\n".join(log).lower()
    words = {word.strip(".,!?'") for word in said.lower().split()}
    assert "session 1" in whole
    assert "remote.bad_frame" in whole
    for secret in ("ana", "secret", "sales", "abc", said.lower()):
        assert not re.search(rf"\b{re.escape(secret)}\b", whole), secret
    assert len([word for word in words if len(word) > 3 and re.search(rf"\b{re.escape(word)}\b", whole)]) <= 1
    if form == "json":
        lines = [json.loads(line) for line in log]
        assert all({"time", "level", "logger", "event", "message"} <= set(line) for line in lines)
        told_events = [line["event"] for line in lines]
        for name in ("server.ready", "session.created", "session.closed", "server.stopping", "server.stopped"):
            assert name in told_events


async def test_what_is_measured_of_real_speech() -> None:
    async with serving() as (process, address):
        async with connect(f"ws://{address}/v1/stream") as client:
            for message in sentence():
                await client.send(message)
            await client.send(json.dumps({"type": "session.close"}))
            told = [json.loads(message) async for message in client]
        body = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/metrics").read().decode())
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    families = {family.name: family for family in text_string_to_metric_families(body)}

    def value(family: str, name: str = "", **labels: str) -> float:
        wanted = [
            sample.value
            for sample in families[f"m2fnet_{family}"].samples
            if labels.items() <= sample.labels.items() and (not name or sample.name.endswith(name))
        ]
        return sum(wanted)

    emotions = [event for event in told if event["type"] == "emotion"]
    assert value("emotions") == len(emotions)
    ended = [event for event in emotions if not event["speaking"]]
    first = list({event["utterance"]: event["latency"]["total_ms"] for event in reversed(ended)}.values())
    assert value("latency_seconds", "_count", stage="total") == len(first)
    assert value("latency_seconds", "_sum", stage="total") == pytest.approx(sum(first) / 1000, abs=1e-3)
    assert value("asr_jobs", kind="final") >= 1
    assert value("asr_busy_seconds") > 0
    assert value("asr_sound_seconds") > 1
    assert value("engine_requests", network="text") >= 1
    assert value("engine_requests", network="fusion") >= 1
    assert value("engine_busy_seconds", network="text") > 0
    assert value("utterances") == told[-1]["totals"]["utterances"]
    assert value("audio_chunks") == told[-1]["totals"]["audio_chunks"]


async def test_a_server_that_others_can_reach_tells_its_new_token_once(small: tuple[str, ...]) -> None:
    log: list[str] = []
    async with serving(*small, "--host", "0.0.0.0", log=log, M2FNET_TOKEN="") as (process, address):  # noqa: S104 - the point
        async with connect(f"ws://{address}/v1/stream") as stranger:
            await stranger.send(json.dumps({"type": "session.update", "settings": {}}))
            assert json.loads(await stranger.recv())["code"] == "auth.required"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    (told,) = [line for line in log if "#token=" in line]
    found = re.search(rf"Open http://{address}/#token=([\w-]{{43,}}) in a browser", told)
    assert found
    assert "\n".join(log).count(found[1]) == 1
    assert any("nothing is encrypted" in line for line in log)


async def test_a_token_of_the_environment_is_asked_for_and_never_told(small: tuple[str, ...]) -> None:
    log: list[str] = []
    token = "a-token-that-nobody-guesses"  # noqa: S105 - of a server that lives for a test
    async with serving(*small, log=log, M2FNET_TOKEN=token) as (process, address):
        async with connect(f"ws://{address}/v1/stream") as client:
            await client.send(json.dumps({"type": "auth", "token": token}))
            assert json.loads(await client.recv())["type"] == "session.created"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert token not in "\n".join(log)
