import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def run(folder: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # The checkout first: the tests' folders have the names of what they test.
    paths = os.pathsep.join(map(str, [HERE.parents[2], HERE, HERE.parents[1]]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*torchrun, str(HERE / "distributed_line.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_learn_the_same_weights(tmp_path: Path) -> None:
    run(tmp_path)
    first, second = (torch.load(tmp_path / f"process-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["metrics"] == second["metrics"]
    assert first["metrics"]["score"] > first["before"] / 2
    assert all(torch.equal(first["model"][name], second["model"][name]) for name in first["model"])
    last = torch.load(tmp_path / "runs" / "last.pt", weights_only=True)
    assert last["made_with"]["processes"] == 2
    assert last["scheduler"]["last_epoch"] == 6 * 8 / 2


@pytest.mark.slow
def test_a_finished_run_of_two_processes_is_taken_as_it_is(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "runs" / "last.pt").stat().st_mtime_ns
    run(tmp_path)
    assert (tmp_path / "runs" / "last.pt").stat().st_mtime_ns == before
