"""The training loop shared by all stages: epochs, averaged weights, dev selection, resumable checkpoints."""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

Metrics = dict[str, float]

_log: Final = logging.getLogger(__name__)
_LAST: Final = "last.pt"
_BEST: Final = "best.pt"


@dataclass(frozen=True)
class FitSettings:
    """What the loop needs to know of a stage."""

    epochs: int
    select: str
    seed: int = 0
    warmup: float = 0.1
    ema_decay: float = 0.995
    clip_norm: float = 1.0
    bf16: bool = True


class Stage(Protocol):
    """One training stage: a model, its batches, its loss and its dev metrics."""

    name: str
    model: nn.Module

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the groups of the optimizer, each with its peak learning rate."""

    def steps(self) -> int:
        """Return the number of batches of one epoch."""

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Any]:
        """Yield the batches of one epoch; all randomness comes from ``generator``."""

    def loss(self, batch: Any) -> Tensor:  # noqa: ANN401 - each stage has its own batch
        """Return the scalar training loss of one batch."""

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return the dev metrics of ``model``."""


def channels_last(model: nn.Module) -> nn.Module:
    """Return the model with its weights laid out as CPUs convolve fastest."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return] # torch's stub lacks it


def half_precision(*, enabled: bool = True) -> AbstractContextManager[object]:
    """Compute in bfloat16 where that is safe: twice as fast on recent CPUs."""
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def one_group(model: nn.Module, rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return all parameters of a model as one group of the optimizer."""
    return [{"params": model.parameters(), "lr": rate, "weight_decay": weight_decay}]


def fit(stage: Stage, settings: FitSettings, folder: Path) -> Metrics:
    """Train a stage, or go on where an interrupted run stopped, and load its best weights.

    Every epoch draws its randomness from the seed and its own number, so a resumed run ends with the
    weights of one that was not interrupted. The weights evaluated and kept are exponential averages; the
    best are chosen by ``settings.select`` on dev.

    Returns:
        the dev metrics of the best epoch; ``stage.model`` holds its weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(stage, settings, folder)
    for epoch in range(run.epoch, settings.epochs):
        loss = run.train_epoch(epoch)
        metrics = stage.evaluate(run.average.module)
        run.record(epoch, loss, metrics)
    state = torch.load(folder / _BEST, weights_only=True)
    stage.model.load_state_dict(state["model"])
    best: Metrics = state["metrics"]
    return best


class _Run:
    """The state of one training run, on disk after every epoch."""

    def __init__(self, stage: Stage, settings: FitSettings, folder: Path) -> None:
        self.stage, self.settings, self.folder = stage, settings, folder
        averaging = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call] # torch's own
        self.average = AveragedModel(stage.model, multi_avg_fn=averaging, use_buffers=True)
        self.optimizer = torch.optim.AdamW(stage.parameter_groups())
        total = settings.epochs * stage.steps()
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: self._rate(step, total))
        self.epoch, self.best = 0, -math.inf
        if (folder / _LAST).exists():
            self._resume(torch.load(folder / _LAST, weights_only=True))

    def _rate(self, step: int, total: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        warm = max(1, int(total * self.settings.warmup))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    def train_epoch(self, epoch: int) -> float:
        """Train one epoch and return its mean loss."""
        torch.manual_seed(self.settings.seed * 1000 + epoch)
        generator = np.random.default_rng((self.settings.seed, epoch))
        model, losses = self.stage.model.train(), []
        bar = tqdm(
            self.stage.batches(epoch, generator), total=self.stage.steps(), desc=f"{self.stage.name} epoch {epoch + 1}"
        )
        for batch in bar:
            with half_precision(enabled=self.settings.bf16):
                loss = self.stage.loss(batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call] # torch's own
            nn.utils.clip_grad_norm_(model.parameters(), self.settings.clip_norm)
            self.optimizer.step()
            self.scheduler.step()
            self.average.update_parameters(model)
            losses.append(float(loss.detach()))
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
        return float(np.mean(losses))

    def record(self, epoch: int, loss: float, metrics: Metrics) -> None:
        """Log one epoch and keep its checkpoint; the best weights so far are kept apart."""
        row = {"epoch": epoch + 1, "loss": round(loss, 4), **{key: round(value, 4) for key, value in metrics.items()}}
        _log.info("%s %s", self.stage.name, row)
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        if metrics[self.settings.select] > self.best:
            self.best = metrics[self.settings.select]
            _save({"model": self.average.module.state_dict(), "metrics": metrics}, self.folder / _BEST)
        self.epoch = epoch + 1
        _save(self._state(), self.folder / _LAST)

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.stage.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {"last_epoch": self.scheduler.last_epoch},
            "epoch": self.epoch,
            "best": self.best,
        }

    def _resume(self, state: dict[str, Any]) -> None:
        self.stage.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.last_epoch = state["scheduler"]["last_epoch"]
        self.epoch, self.best = state["epoch"], state["best"]
        _log.info("%s goes on after epoch %d", self.stage.name, self.epoch)


def _save(state: dict[str, Any], path: Path) -> None:
    """Write the checkpoint whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
