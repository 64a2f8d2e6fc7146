"""The client as it is installed without the rest of the project, with a real server of this checkout."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from running_server import running

ROOT = Path(__file__).parents[2]
SOURCES = ("clients", "m2fnet_client", "wire", "stream", "models")

PROGRAM = """
import importlib.util, json, sys
from m2fnet_client import ClientError, connect_sync
from wire.events import Emotion

with connect_sync(sys.argv[1], name="Ann") as session:
    session.send_audio(0, bytes(3_200))
    try:
        session.send_file("clip.mp4")
    except ClientError as error:
        refused = [error.code, error.message]
    closed = session.finish()
    emotions = [[event.speaker, event.label] for event in session if isinstance(event, Emotion)]
there = [name for name in ("torch", "av", "openvino", "cv2", "yaml", "serving") if importlib.util.find_spec(name)]
print(json.dumps({"emotions": emotions, "reason": closed.reason, "refused": refused, "there": there}))
"""


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def installed(folder: Path) -> Path:
    """Return the Python of a fresh environment with the client and what it asks for."""
    for name in SOURCES:  # a build leaves things beside what it builds
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("bundles", "build", "__pycache__"))
    venv.create(folder / "fresh", with_pip=True)
    python = folder / "fresh" / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", folder / "clients/python"]
    subprocess.run(command, check=True, cwd=folder, env=clean_environment())
    return python


@pytest.mark.slow
async def test_it_runs_where_only_its_three_dependencies_are(tmp_path: Path) -> None:
    python = await asyncio.to_thread(installed, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    async with running() as run:
        program = await asyncio.create_subprocess_exec(
            *(python, "-I", "-c", PROGRAM, f"127.0.0.1:{run.port}"),
            cwd=tmp_path / "elsewhere",
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
        )
        output, _ = await program.communicate()
    told = json.loads(output)
    assert told["emotions"] == [["Ann", "joy"]]
    assert told["reason"] == "client"
    assert told["refused"][0] == "file.no_decoder"
    assert "pip install 'm2fnet-client[files]'" in told["refused"][1]
    assert told["there"] == []
