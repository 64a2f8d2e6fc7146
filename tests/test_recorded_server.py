"""Recordings of the real program with its real models: killed in the midst of a call, or brought to an end."""

import asyncio
import json
import sys
from pathlib import Path

import av
import pytest
from server_process import serving
from waiting import wait_until_async
from websockets.asyncio.client import connect

from serving import run as server_run
from stream.recording.format import ABOUT, media_name
from stream.recording.reader import Recording
from stream.recording.replay import replay_command
from stream.settings import RuntimeSettings, ServerSettings, Settings
from wire import events

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "demo" / "clip.mp4"
TALK = ROOT / "tests" / "fixtures" / "speech" / "two_speakers.opus"
APART_S = 1.0  # sound and frames of one time may come so far from each other

pytestmark = pytest.mark.slow


def kept(folder: Path) -> set[int]:
    """Return the numbers of the events that are on the disk; none while there is no recording yet."""
    return {event.seq for about in folder.glob(f"*/{ABOUT}") for event in Recording(about.parent).events()}


async def killed_in_the_midst(folder: Path, bundle: Path) -> set[int]:
    """Record a call of two, and kill the server when what both have said is on the disk; return what a watcher got."""
    arguments = ["--record", str(folder), "--room", "call"]
    arguments += ["--set", f"runtime.bundle={bundle}", "--set", "runtime.engine=torch"]  # not they are tested here
    sources = ["--source", str(CLIP), "--source", str(TALK), "--wait-for-watcher"]
    got: set[int] = set()
    spoke: list[object] = []
    async with serving(*arguments, *sources) as (process, address):  # noqa: SIM117 - the second needs the first
        async with connect(f"ws://{address}/v1/events?room=call") as watcher:
            while len(set(spoke)) < 2 or len(spoke) < 6:
                event = json.loads(await watcher.recv())
                if event["type"] != "room.state":
                    got.add(event["seq"])
                if event["type"] == "emotion" and event["final"]:
                    spoke.append(event["session"])
            await wait_until_async(lambda: got <= kept(folder))
            process.kill()
            await process.wait()
    return got


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_call_whose_server_is_killed_is_there_as_far_as_it_was_written(
    tmp_path: Path, bundle_folder: Path
) -> None:
    got = await killed_in_the_midst(tmp_path, bundle_folder)
    (folder,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    recording = Recording(folder)
    told = list(recording.events())
    assert not recording.whole
    assert got <= {event.seq for event in told}
    last_ms = max(event.time_ms for event in told if isinstance(event, events.Faces))
    ends = []
    for entry in recording.about.sessions:
        with av.open(str(folder / media_name(entry.id))) as file:
            ends.append(max(float(frame.time or 0) for frame in file.decode(audio=0)))
    assert len(ends) == 2
    assert max(ends) >= last_ms / 1000 - APART_S
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
    assert server_run.run(settings, sources=[str(part)], exit_when_done=True) == 0
    (folder,) = (tmp_path / "recordings").iterdir()
    recording = Recording(folder)
    kinds = [event.type for event in recording.events()]
    assert recording.whole
    assert kinds.count("emotion") >= 2
    assert kinds.count("faces") >= 10
    capsys.readouterr()
    assert replay_command(folder, None, check=True) == 0, capsys.readouterr().out
