import json
import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.files.whole_file import FileError
from trainer.fit.checkpoint import CheckpointError, save_checkpoint
from trainer.fit.devices import to_device
from trainer.fit.loop import FitSettings, TrainingError, fit, one_group
from trainer.fit.metrics import Metrics


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


class Halves(Line):
    """The same without dropout, each batch in ``pieces``."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))
        torch.manual_seed(1)
        for parameter in self.model.parameters():
            nn.init.normal_(parameter)
        self.pieces = pieces

    def steps(self) -> int:
        return super().steps() * self.pieces

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Tensor]:
        del epoch
        for _ in range(super().steps()):
            yield from torch.from_numpy(generator.uniform(-1, 1, (16, 1)).astype(np.float32)).chunk(self.pieces)


def test_two_accumulated_halves_are_one_batch(tmp_path: Path) -> None:
    whole, halves = Halves(1), Halves(2)
    fit(whole, SETTINGS, tmp_path / "whole")
    fit(halves, replace(SETTINGS, accumulate=2), tmp_path / "halves")
    for one, other in zip(weights(whole), weights(halves), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_every_optimizer_and_schedule_learns(
    tmp_path: Path, optimizer: Literal["adam", "adamw"], schedule: Literal["constant", "cosine"]
) -> None:
    stage = Line()
    before = stage.evaluate(stage.model)["score"]
    assert fit(stage, replace(SETTINGS, optimizer=optimizer, schedule=schedule), tmp_path)["score"] > before


def test_training_ends_when_dev_gains_nothing_more(tmp_path: Path) -> None:
    stage = Line()
    scores = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    stage.evaluate = lambda _: {"score": next(scores)}  # type: ignore[method-assign]
    patient = replace(SETTINGS, patience=2)
    assert fit(stage, patient, tmp_path) == {"score": 0.3}
    stage.interrupted_at = 4
    assert fit(stage, patient, tmp_path) == {"score": 0.3}


def test_an_interrupted_run_writes_each_epoch_once(tmp_path: Path) -> None:
    broken = Line()
    broken.interrupted_at = 3
    with pytest.raises(KeyboardInterrupt):
        fit(broken, SETTINGS, tmp_path)
    fit(Line(), SETTINGS, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: bytes | None) -> None:
    fit(Line(), SETTINGS, tmp_path)
    last = tmp_path / "last.pt"
    last.write_bytes(last.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"last\.pt is missing, damaged or no checkpoint: remove it.*--runs"):
        fit(Line(), SETTINGS, tmp_path)


def test_a_file_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of this program"):
        fit(Line(), SETTINGS, tmp_path)


def test_a_checkpoint_of_another_network_says_what_differs(tmp_path: Path) -> None:
    fit(Line(), SETTINGS, tmp_path)
    other = Line()
    other.model = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
    with pytest.raises(CheckpointError, match=r"0\.bias is \[16\], not \[8\].*--runs"):
        fit(other, SETTINGS, tmp_path)


def test_a_run_of_other_settings_says_what_differs(tmp_path: Path) -> None:
    fit(Line(), SETTINGS, tmp_path, {"text": {"rate": 1e-3}})
    with pytest.raises(CheckpointError, match=r"fit\.epochs was 6, is 9.*--runs"):
        fit(Line(), replace(SETTINGS, epochs=9), tmp_path)
    with pytest.raises(CheckpointError, match=r"text\.rate was 0\.001, is 0\.01"):
        fit(Line(), SETTINGS, tmp_path, {"text": {"rate": 1e-2}})


def test_a_metric_that_dev_has_not(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"fit\.select=f1: dev has score"):
        fit(Line(), replace(SETTINGS, select="f1"), tmp_path)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    stage = Line()
    stage.loss = lambda batch: stage.model(batch).sum() * torch.inf  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="loss of epoch 1 is"):
        fit(stage, SETTINGS, tmp_path)


def test_nothing_to_train_on(tmp_path: Path) -> None:
    stage = Line()
    stage.steps = lambda: 0  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="smaller batch"):
        fit(stage, SETTINGS, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="GPUs have half precision")
def test_half_precision_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"fit\.fp16=false"):
        fit(Line(), replace(SETTINGS, fp16=True), tmp_path)


def test_each_stage_has_its_own_precision(tmp_path: Path) -> None:
    seen = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().forward(x)

    for bf16 in (True, False):
        stage = Line()
        stage.model = Watched(1, 1)
        fit(stage, replace(SETTINGS, epochs=1, bf16=bf16), tmp_path / str(bf16))
    assert [precise for precise, _ in zip(seen[::9], range(2), strict=True)] == [True, False]


def test_deterministic_mode_lasts_as_long_as_the_training(tmp_path: Path) -> None:
    stage = Line()
    seen = []
    plain = stage.evaluate
    stage.evaluate = lambda model: (  # type: ignore[method-assign]
        seen.append(torch.are_deterministic_algorithms_enabled()) or plain(model)  # type: ignore[func-returns-value]
    )
    fit(stage, replace(SETTINGS, deterministic=True), tmp_path)
    assert seen == [True] * 6
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    fit(Line(), replace(SETTINGS, epochs=1), tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match="free some space"):
            save_checkpoint({"model": {"w": torch.zeros(10_000)}}, tmp_path / "last.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not list(tmp_path.glob(".*partial*"))


@dataclass(frozen=True)
class Pair:
    image: Tensor
    names: tuple[str, ...]


def test_batches_move_with_all_their_tensors() -> None:
    batch = [Pair(torch.zeros(2), ("a",)), {"x": (torch.ones(1), None)}]
    pair, rest = to_device(batch, torch.device("meta"))
    assert isinstance(pair, Pair)
    assert isinstance(rest, dict)
    assert (pair.image.device.type, pair.names, rest["x"][0].device.type) == ("meta", ("a",), "meta")
