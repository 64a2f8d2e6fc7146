"""``m2fnet overlay``: wrong arguments, and the demo clip through the real pipeline to a file."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner
from waiting import wait_until

import cli

ROOT = Path(__file__).parent.parent.parent
CLIP = ROOT / "demo" / "clip.mp4"


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["overlay", *arguments], env={"COLUMNS": "200", "TERM": "dumb"})
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either a camera or a source"),
        (["--camera", "0", "--source", "a.mp4"], "give either a camera or a source"),
        (["--source", "a.mp4", "--microphone", "default"], "a source brings its own sound"),
        (["--camera", "0", "--show", "hat"], "'hat' can't be shown"),
        (["--camera", "0", "--size", "5"], "5 is not 0 or from 10 to 200"),
        (["--source", str(CLIP), "--output", "-"], "can't be written to the standard output"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], words: str) -> None:
    code, output = said(*arguments)
    assert code == 2
    assert words in output


@pytest.mark.parametrize("source", [str(CLIP), CLIP.as_uri(), f"{CLIP.parent}/../demo/clip.mp4"])
def test_the_source_is_not_drawn_on_itself(source: str, tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(CLIP)
    before = CLIP.stat()
    for output in (CLIP, link):
        code, told = said("--source", source, "--output", str(output))
        assert code == 1
        assert "is also what is read" in told
    assert CLIP.stat().st_mtime_ns == before.st_mtime_ns


def test_the_document_has_every_option() -> None:
    document = (ROOT / "docs" / "overlay.md").read_text(encoding="utf-8")
    code, output = said("--help")
    assert code == 0
    options = set(re.findall(r"--[a-z]+", output)) - {"--help", "--verbose"}
    assert {option for option in options if f"`{option}" not in document} == set()


def shown(source: Path, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli", "overlay", "--source", str(source), "--output", str(output)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def frames(path: Path, until_ms: int) -> dict[int, np.ndarray]:
    """The frames of a file by their time in milliseconds."""
    found = {}
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            time_ms = round((frame.time or 0) * 1000)
            if time_ms > until_ms:
                break
            found[time_ms] = frame.to_ndarray(format="rgb24")
    return found


@pytest.fixture(scope="module")
def first_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ten seconds of the clip, whose face and words are known, as they are stored."""
    path = tmp_path_factory.mktemp("clip") / "first.mp4"
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.time_base and packet.dts * packet.time_base < 10:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_video_plays_with_its_sound_and_is_marked_where_the_face_is(first_seconds: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    process = shown(first_seconds, path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    with av.open(str(path)) as container:
        assert [(stream.type, stream.codec_context.name) for stream in container.streams] == [
            ("video", "h264"),
            ("audio", "aac"),
        ]
    before, after = frames(first_seconds, 9_900), frames(path, 9_900)
    common = sorted(set(before) & set(after))
    assert common
    # The compression changes a little everywhere; what is drawn changes much, in a few places.
    marked = [(np.abs(before[at].astype(int) - after[at]).max(axis=2) > 60) for at in common]
    face = [marks[20:200, 320:600].mean() for marks in marked]
    beside = [marks[20:200, :200].mean() for marks in marked]
    assert max(face) > 0.01
    assert max(beside) < 0.001
    words = [marks[240:].mean() for marks in marked]
    assert max(words) > 0.1


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of Unix")
def test_interrupt_ends_it_with_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    process = shown(CLIP, path)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C stops" in line:
            break
    wait_until(lambda: process.poll() is not None or any(made.stat().st_size > 10_000 for made in tmp_path.iterdir()))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "frames" in errors
    assert "Traceback" not in errors
    assert frames(path, 10_000)
