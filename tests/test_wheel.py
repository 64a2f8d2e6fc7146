"""What is built to be installed holds what the program reads beside its code."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from trainer.config import starter_config

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY_NOTICES.md", "cli.py", "server.py")
FOLDERS = ("commands", "configs", "m2fnet_client", "models", "serving", "stream", "trainer", "wire")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.mark.slow
def test_a_wheel_holds_the_configurations(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    for folder in FOLDERS:  # a build leaves things beside what it builds
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("bundles", "__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, source)
    built.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, built], cwd=source, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    assert {f"configs/{file.name}" for file in (ROOT / "configs").glob("*.yaml")} <= names
    assert {"trainer/config.py", "commands/train.py", "m2fnet_client/py.typed"} <= names


def test_the_starters_configuration_is_found_wherever_it_is_called_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert starter_config(Path("data")).dataset.media == "drawn"
