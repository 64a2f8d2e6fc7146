import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.loop import FitSettings, Metrics, fit, one_group


class Line:
    """Fits y = 2x + 1 with dropout, so that all of the loop's randomness matters."""

    name = "line"

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
        self.interrupted_at: int | None = None

    def parameter_groups(self) -> list[dict[str, Any]]:
        return one_group(self.model, 1e-2, 0.0)

    def steps(self) -> int:
        return 8

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Tensor]:
        if epoch == self.interrupted_at:
            raise KeyboardInterrupt
        for _ in range(self.steps()):
            yield torch.from_numpy(generator.uniform(-1, 1, (16, 1)).astype(np.float32))

    def loss(self, batch: Tensor) -> Tensor:
        return (self.model(batch) - 2 * batch - 1).square().mean()

    def evaluate(self, model: nn.Module) -> Metrics:
        model.eval()
        x = torch.linspace(-1, 1, 11)[:, None]
        with torch.inference_mode():
            return {"score": -float((model(x) - 2 * x - 1).square().mean())}


SETTINGS = FitSettings(epochs=6, select="score", ema_decay=0.9, bf16=False)


def weights(stage: Line) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in stage.model.parameters()]


def test_a_stage_learns_and_its_best_epoch_is_kept(tmp_path: Path) -> None:
    stage = Line()
    before = stage.evaluate(stage.model)["score"]
    best = fit(stage, SETTINGS, tmp_path)
    assert best["score"] > before / 2
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert best["score"] == pytest.approx(max(row["score"] for row in rows), abs=1e-4)
    assert stage.evaluate(stage.model) == best


def test_a_run_interrupted_and_resumed_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, broken, resumed = Line(), Line(), Line()
    fit(whole, SETTINGS, tmp_path / "whole")
    broken.interrupted_at = 3
    with pytest.raises(KeyboardInterrupt):
        fit(broken, SETTINGS, tmp_path / "broken")
    fit(resumed, SETTINGS, tmp_path / "broken")
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(one, other)


def test_a_finished_run_is_taken_as_it_is(tmp_path: Path) -> None:
    first, again = Line(), Line()
    fit(first, SETTINGS, tmp_path)
    again.interrupted_at = 0
    fit(again, SETTINGS, tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(weights(first), weights(again), strict=True))
