"""Recordings of the real program with its real models: killed in the midst of a call, or brought to an end."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import av
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import server
from stream.recording.format import media_name
from stream.recording.reader import Recording
from stream.replay import replay_command
from stream.settings import RuntimeSettings, ServerSettings, Settings

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "demo" / "clip.mp4"
TALK = ROOT / "tests" / "fixtures" / "speech" / "two_speakers.opus"
LOST_S = 1.0  # what a crash may cost

pytestmark = pytest.mark.slow


async def killed_in_the_midst(folder: Path) -> list[tuple[float, dict[str, object]]]:
    """Record a call of two, and kill the server when both have said something; return what a watcher got, and when."""
    arguments = ["--port", "0", "--record", str(folder), "--room", "call", "--set", "runtime.bundle=small"]
    sources = ["--source", str(CLIP), "--source", str(TALK), "--wait-for-watcher"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "server.py", *arguments, *sources, cwd=ROOT, stderr=asyncio.subprocess.PIPE, env=os.environ
    )
    assert process.stderr is not None
    told = b""
    while not (found := re.search(rb"http://([\d.]+:\d+)/", told)):
        line = await process.stderr.readline()
        assert line, f"the server ended: {told.decode()}"
        told += line
    reading = asyncio.create_task(process.stderr.read())
    got: list[tuple[float, dict[str, object]]] = []
    spoke: list[object] = []
    try:
        async with connect(f"ws://{found[1].decode()}/v1/events?room=call") as watcher:
            while len(set(spoke)) < 2 or len(spoke) < 6:
                event = json.loads(await watcher.recv())
                got.append((time.monotonic(), event))
                if event["type"] == "emotion" and event["final"]:
                    spoke.append(event["session"])
            process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            while True:
                got.append((time.monotonic(), json.loads(await watcher.recv())))
    except ConnectionClosed:
        pass
    finally:
        await process.wait()
        await reading
    return [(killed - at, event) for at, event in got if event["type"] != "room.state"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_call_whose_server_is_killed_is_there_but_for_its_last_second(tmp_path: Path) -> None:
    got = await killed_in_the_midst(tmp_path)
    (folder,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    recording = Recording(folder)
    kept = {event.seq for event in recording.events()}
    assert not recording.whole
    assert [event for before_s, event in got if before_s > LOST_S and event["seq"] not in kept] == []
    last_ms = max(float(str(event["time_ms"])) for before_s, event in got if event["type"] == "faces")
    ends = []
    for entry in recording.about.sessions:
        with av.open(str(folder / media_name(entry.id))) as file:
            ends.append(max(float(frame.time or 0) for frame in file.decode(audio=0)))
    assert len(ends) == 2
    assert max(ends) >= last_ms / 1000 - LOST_S
    replaying = await asyncio.create_subprocess_exec(
        sys.executable, "cli.py", "replay", str(folder), "--check", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await replaying.communicate()
    assert (replaying.returncode, said.decode().split(":")[0]) == (0, "identical"), said.decode()


def beginning(path: Path, seconds: float) -> Path:
    """Write the beginning of the demo clip."""
    with av.open(str(CLIP)) as clip, av.open(str(path), "w") as part:
        streams = {stream.index: part.add_stream_from_template(stream) for stream in clip.streams}
        for packet in clip.demux():
            if packet.dts is not None and packet.time_base and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                part.mux(packet)
    return path


def test_a_clip_that_was_analyzed_live_is_replayed_to_the_identical_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = beginning(tmp_path / "part.mp4", 14)
    settings = Settings(
        server=ServerSettings(port=0, record=tmp_path / "recordings"),
        runtime=RuntimeSettings(build_in_background=False),  # a server that is still building ends its process
    )
    assert server.run(settings, sources=[str(part)], exit_when_done=True) == 0
    (folder,) = (tmp_path / "recordings").iterdir()
    recording = Recording(folder)
    kinds = [event.type for event in recording.events()]
    assert recording.whole
    assert kinds.count("emotion") >= 2
    assert kinds.count("faces") >= 10
    capsys.readouterr()
    assert replay_command(folder, None, check=True) == 0, capsys.readouterr().out
