"""Trains the straight line of test_loop in as many processes as torchrun starts: ``distributed_line.py FOLDER``."""

import sys
from pathlib import Path

import torch
import torch.distributed
from test_loop import SETTINGS, Line

from trainer.fit.loop import fit


def main(folder: Path) -> None:
    """Train, and write this process's weights and metrics."""
    stage = Line()
    before = stage.evaluate(stage.model)["score"]
    metrics = fit(stage, SETTINGS, folder / "runs")
    rank = torch.distributed.get_rank()
    report = {"model": stage.model.state_dict(), "metrics": metrics, "before": before}
    torch.save(report, folder / f"process-{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
