"""The client alone: what it loads and what it leaves as it was."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ALONE = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text(encoding="utf-8"))
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVERS = ("commands", "models", "serving", "stream", "trainer")
HEAVY = ("torch", "av", "openvino", "cv2", "PIL", "onnxruntime", "transformers", "scipy", "yaml")

# What numpy, pydantic and websockets do when they are imported is theirs.
LOAD = f"""
import json, logging, os, signal, sys, threading, warnings
import numpy, pydantic, websockets.asyncio.client

def process():
    root = logging.getLogger()
    return [
        list(warnings.filters), dict(os.environ), list(sys.path), list(sys.meta_path), os.getcwd(),
        root.level, list(root.handlers), logging.root.manager.disable, sys.excepthook, threading.excepthook,
        {{number: signal.getsignal(number) for number in signal.valid_signals()}}, threading.enumerate(),
    ]

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVERS + HEAVY}:
            raise ModuleNotFoundError("blocked: " + name)

sys.meta_path.insert(0, Blocked())
before, loaded = process(), dict(sys.modules)
import m2fnet_client, wire.control, wire.events, wire.media, wire.settings
assert process() == before
assert all(sys.modules[name] is module for name, module in loaded.items())
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - set(loaded)}})))
"""


def printed(script: str) -> Any:  # noqa: ANN401 - whatever the script prints
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_it_needs_nothing_of_the_server_and_leaves_the_process_as_it_was() -> None:
    loaded = {name for name in printed(LOAD) if not name.startswith("_")} - sys.stdlib_module_names
    assert {"m2fnet_client", "wire"} <= loaded
    assert loaded <= {"m2fnet_client", "wire", "numpy", "pydantic", "annotated_types", "websockets"}


@pytest.fixture(scope="module")
def to_send_a_file() -> set[str]:
    return set(printed("import json, sys, m2fnet_client.file_media; print(json.dumps(list(sys.modules)))"))


def test_sending_a_file_needs_no_networks(to_send_a_file: set[str]) -> None:
    assert not to_send_a_file & {"torch", "cv2", "openvino", "onnxruntime", "transformers", "scipy", "yaml"}


def test_what_sends_a_file_is_in_the_client_that_is_had_alone(to_send_a_file: set[str]) -> None:
    needed = {name for name in to_send_a_file if name.partition(".")[0] in SERVERS}
    assert needed == {name.removesuffix(".__init__") for name in ALONE["tool"]["setuptools"]["py-modules"]}


def test_it_wants_of_other_packages_what_the_whole_project_does() -> None:
    alone, whole = ALONE["project"], WHOLE["project"]
    wanted = [*alone["dependencies"], *alone["optional-dependencies"]["files"]]
    assert {*wanted} <= {*whole["dependencies"]}
    assert sorted(name.partition(">")[0] for name in alone["dependencies"]) == ["numpy", "pydantic", "websockets"]
    assert (alone["version"], alone["requires-python"]) == (whole["version"], whole["requires-python"])
