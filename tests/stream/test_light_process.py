"""A process that serves converted networks needs neither torch nor what else trains and converts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEECH = Path(__file__).parents[1] / "fixtures" / "speech" / "two_speakers.opus"
SLOW = {"pydantic", "jinja2", "yaml", "numpy", "cv2"}
HEAVY = {"torch", "torchvision", "torchaudio", "torch._dynamo", "transformers", "facenet_pytorch", "scipy", "sympy"}
_TELL = f"import sys; print(*sorted({HEAVY | SLOW} & set(sys.modules)))"
_ANALYZE = """
from models.runtime.runtime import Runtime
from stream.analysis import analyze_file
from stream.live_models import LiveModels
from stream.settings import RuntimeSettings, Settings

settings = Settings(runtime=RuntimeSettings(bundle={bundle!r}, engine={engine!r}))
models = LiveModels.load(settings)
assert models.runtime.engine_state.name == "{engine}-cpu"
assert analyze_file({clip!r}, models=models, settings=settings).utterances
models.close()
"""


def told(program: str, environment: dict[str, str] | None = None) -> set[str]:
    found = {**os.environ, **(environment or {})}
    done = subprocess.run([sys.executable, "-c", f"{program}\n{_TELL}"], env=found, check=True, capture_output=True)
    return set(done.stdout.decode().rpartition("\n")[0].rpartition("\n")[2].split())


def test_the_command_line_waits_for_nothing_that_only_a_command_needs() -> None:
    assert told("import cli") == set()


@pytest.mark.parametrize(
    "modules",
    [
        "stream.analysis, stream.live_models, models.runtime.openvino_engine, models.runtime.onnx_engine",
        "serving.run",
        "commands.diagnostics",
    ],
)
def test_what_serves_imports_nothing_heavy(modules: str) -> None:
    assert told(f"import {modules}").isdisjoint(HEAVY)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_converted_networks_are_served_without_what_converts_them(
    bundle_folder: Path, tmp_path: Path, engine: str
) -> None:
    program = _ANALYZE.format(bundle=str(bundle_folder), engine=engine, clip=str(SPEECH))
    caches = {"XDG_CACHE_HOME": str(tmp_path)}
    told(program, caches)
    assert told(program, caches).isdisjoint(HEAVY)
