"""The programs of examples/, run as somebody runs them, with a real server."""

import asyncio
import sys
from pathlib import Path

import pytest
from running_server import running, tone
from server_process import serving

from models.labels import LABELS

EXAMPLES = Path(__file__).parents[1] / "examples"


async def run_example(name: str, *arguments: str | Path) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLES / name,
        *arguments,
        cwd=EXAMPLES.parent,
        env={"PYTHONPATH": "."},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaints = await process.communicate()
    return process.returncode, told.decode(), complaints.decode()


async def test_a_file_is_streamed(tmp_path: Path) -> None:
    async with running() as run:
        done, told, complaints = await run_example(
            "stream_file.py", tone(tmp_path / "tone.wav"), f"127.0.0.1:{run.port}"
        )
    assert (done, complaints) == (0, "")
    assert told.splitlines() == [f"   0.{tenth} s  joy       so it is" for tenth in range(5)]


async def test_a_file_that_is_not_there_ends_it() -> None:
    async with running() as run:
        done, told, complaints = await run_example("stream_file.py", "none.wav", f"127.0.0.1:{run.port}")
    assert (done, told) == (1, "")
    assert "none.wav does not exist; check the path (file.not_found)" in complaints


@pytest.mark.slow
async def test_real_speech_is_told_with_its_words() -> None:
    sentence = EXAMPLES.parent / "tests" / "fixtures" / "speech" / "one_sentence.opus"
    async with serving() as (_, address):
        done, told, complaints = await run_example("stream_file.py", sentence, address)
    assert (done, complaints) == (0, "")
    label, *words = told.splitlines()[-1].split()[2:]
    assert label in LABELS
    assert len(words) >= 3
