"""The training loop shared by all stages: epochs, averaged weights, dev selection, resumable checkpoints.

It runs in one process, or in as many as ``torchrun`` starts: then each takes its share of every step's batches
and only the first evaluates and writes. The devices, the processes and the precision are Accelerate's business.
"""

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from models.files.whole_file import write_whole
from models.user_error import UserError
from trainer.fit.checkpoint import State, check_settings, check_shapes, load_checkpoint, save_checkpoint
from trainer.fit.devices import processes, to_device
from trainer.fit.metrics import Metrics

_log: Final = logging.getLogger(__name__)
_LAST: Final = "last.pt"
_BEST: Final = "best.pt"
_OPTIMIZERS: Final = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


class TrainingError(UserError):
    """A stage can't be trained as it is set; the message says what to change."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FitSettings:
    """What the loop needs to know of a stage; the rates are the stage's.

    Attributes:
        epochs: passes over the training data.
        select: the dev metric by which the best epoch is chosen, the larger the better.
        seed: of everything random.
        warmup: share of the steps in which the rate rises from nothing to its peak.
        ema_decay: of the averaged weights that are evaluated and kept; 0 keeps the weights as they are.
        clip_norm: largest norm of the gradient; none: as large as it comes.
        bf16: compute in bfloat16 where that is safe.
        fp16: compute in half precision with a scaled loss, on GPUs that have no bfloat16; counts before ``bf16``.
        optimizer: the paper's extractors have Adam, its fusion has AdamW.
        schedule: what the rate does after the warm-up: half a cosine to zero, or nothing.
        accumulate: batches of one step; with several processes, of each.
        patience: epochs without a better one after which the training ends; none: it never ends early.
        deterministic: only operators that give the same bits every time, or an error where there is none.
    """

    epochs: Annotated[int, Field(ge=1)]
    select: str
    seed: Annotated[int, Field(ge=0)] = 0
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    bf16: bool = True
    fp16: bool = False
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    accumulate: Annotated[int, Field(ge=1)] = 1
    patience: Annotated[int, Field(ge=1)] | None = None
    deterministic: bool = False

    @property
    def precision(self) -> Literal["no", "fp16", "bf16"]:
        """Return Accelerate's name for the precision."""
        if self.fp16:
            return "fp16"
        return "bf16" if self.bf16 else "no"


class Stage(Protocol):
    """One training stage: a model, its batches, its loss and its dev metrics.

    ``loss`` must call ``self.model``, which several processes wrap while they train; ``evaluate`` must use the
    model it is given. Both find their model on the device of its weights, and ``loss`` its batch too, as far as
    the batch is made of tensors, sequences, dictionaries and dataclasses.
    """

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


def one_group(model: nn.Module, rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return all parameters of a model as one group of the optimizer."""
    return [{"params": model.parameters(), "lr": rate, "weight_decay": weight_decay}]


def has_checkpoint(folder: Path) -> bool:
    """Return whether a run in this folder goes on from where it was, instead of beginning."""
    return (folder / _LAST).exists()


def fit(stage: Stage, settings: FitSettings, folder: Path, made_with: Mapping[str, object] | None = None) -> Metrics:
    """Train a stage, or go on where an interrupted run stopped, and load its best weights.

    Every epoch draws its randomness from the seed and its own number, so a resumed run ends with the
    weights of one that was not interrupted. The weights evaluated and kept are exponential averages; the
    best are chosen by ``settings.select`` on dev. ``folder`` gets ``best.pt``, ``last.pt``, ``metrics.jsonl``
    and TensorBoard's logs.

    Args:
        stage: its model ends on the device it was trained on.
        settings: of the loop.
        folder: of this stage alone.
        made_with: what else the weights depend on, as JSON has it; a run begun with something else is refused.

    Returns:
        the dev metrics of the best epoch; ``stage.model`` holds its weights.

    Raises:
        CheckpointError: ``folder`` holds a damaged checkpoint, or one of other settings or of another network.
        TrainingError: there is nothing to train on, the loss is not finite, or dev has no such metric.
        FileError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(stage, settings, folder, made_with or {})
    with _determinism(enabled=settings.deterministic):
        while not run.finished:
            run.train_epoch()
    run.close()
    return run.load_best()


@contextmanager
def _determinism(*, enabled: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA's matrices need it
    torch.use_deterministic_algorithms(enabled or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _accelerator(settings: FitSettings) -> Accelerator:
    on_cpu = not torch.accelerator.is_available()
    if on_cpu and settings.fp16:
        message = "fit.fp16 needs a GPU: set fit.fp16=false, which leaves bfloat16"
        raise TrainingError(message)
    AcceleratorState._reset_state()  # noqa: SLF001 - it keeps the first one's precision, and each stage has its own
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # as an encoder's pooler
    processes()  # before the accelerator makes them itself, with too little patience
    return Accelerator(mixed_precision=settings.precision, cpu=on_cpu, kwargs_handlers=[unused])


class _Forward(nn.Module):
    """The model as it is trained: what Accelerate does to this wrapping never touches the model itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401 - each model has its own
        return self.model(*inputs, **named)


class _Run:
    """The state of one training run, on disk after every epoch."""

    def __init__(self, stage: Stage, settings: FitSettings, folder: Path, made_with: Mapping[str, object]) -> None:
        self.stage, self.settings, self.folder = stage, settings, folder
        self.accelerator = _accelerator(settings)
        self.processes: int = self.accelerator.num_processes
        self.model = stage.model.to(self.accelerator.device)
        self.wrapped = self.accelerator.prepare_model(_Forward(self.model))
        averaging = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call] # torch's own
        self.average = AveragedModel(self.model, multi_avg_fn=averaging, use_buffers=True)
        groups = stage.parameter_groups()
        self.optimizer = self.accelerator.prepare_optimizer(_OPTIMIZERS[settings.optimizer](groups))
        self.batches = stage.steps()
        self.total = settings.epochs * self.steps
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer.optimizer, self._rate)
        self.made_with = {"fit": asdict(settings), "batches": self.batches, "processes": self.processes, **made_with}
        self.epoch, self.best, self.stale = 0, -math.inf, 0
        self.rows: list[dict[str, float]] = []
        self._check_something_to_learn()
        if (folder / _LAST).exists():
            self._resume(load_checkpoint(folder / _LAST))

    @property
    def steps(self) -> int:
        """Return the steps of the optimizer in one epoch."""
        return math.ceil(self.batches / (self.settings.accumulate * self.processes))

    @property
    def finished(self) -> bool:
        patience = self.settings.patience
        return self.epoch >= self.settings.epochs or (patience is not None and self.stale >= patience)

    def _check_something_to_learn(self) -> None:
        if self.batches < 1:
            message = f"{self.stage.name}: there are fewer training examples than one batch: set a smaller batch"
            raise TrainingError(message)

    def _rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero, or all the same."""
        warm = max(1, int(self.total * self.settings.warmup))
        if step < warm:
            return (step + 1) / warm
        if self.settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.total - warm))))

    def train_epoch(self) -> None:
        """Train, judge and record one epoch."""
        loss = self._learn()
        judged = [self.stage.evaluate(self.average.module) if self.accelerator.is_main_process else None]
        (metrics,) = broadcast_object_list(judged)
        self._check(loss, metrics)
        self._record(loss, metrics)

    def _learn(self) -> float:
        """Train one epoch and return its mean loss."""
        set_seed(self.settings.seed * 1000 + self.epoch, device_specific=True)
        self.wrapped.train()
        bar = tqdm(
            self._shares(),
            total=self.steps,
            desc=f"{self.stage.name} epoch {self.epoch + 1}",
            disable=not self.accelerator.is_main_process,
        )
        losses = []
        with self._wrapped_stage():
            for share in bar:
                losses.append(self._step(share))
                bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
        mean = torch.tensor(np.mean(losses), device=self.accelerator.device, dtype=torch.float32)
        return float(self.accelerator.reduce(mean, "mean"))

    @contextmanager
    def _wrapped_stage(self) -> Iterator[None]:
        """Let the stage's loss go through the wrapped model."""
        self.stage.model = self.wrapped
        try:
            yield
        finally:
            self.stage.model = self.model

    def _shares(self) -> Iterator[list[Any]]:
        """Yield this process's batches of each step.

        Where the last step has not enough for all processes, its first batches are taken twice.
        """
        generator = np.random.default_rng((self.settings.seed, self.epoch))
        batches = self.stage.batches(self.epoch, generator)
        while taken := list(islice(batches, self.settings.accumulate * self.processes)):
            short = -len(taken) % self.processes
            taken += (taken * short)[:short]
            yield taken[self.accelerator.process_index :: self.processes]

    def _step(self, share: list[Any]) -> float:
        """Go one step down the mean loss of some batches and return it."""
        self.optimizer.zero_grad()
        total = 0.0
        for place, batch in enumerate(share):
            last = place == len(share) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.wrapped):
                loss = self.stage.loss(to_device(batch, self.accelerator.device)) / len(share)
                self.accelerator.backward(loss)
            total += float(loss.detach())
        if self.settings.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.wrapped.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        if not self.optimizer.step_was_skipped:
            self.scheduler.step()
            self.average.update_parameters(self.model)
        return total

    def _check(self, loss: float, metrics: Metrics) -> None:
        name, select = self.stage.name, self.settings.select
        if not math.isfinite(loss):
            message = f"{name}: the loss of epoch {self.epoch + 1} is {loss}: set a lower rate, or fit.bf16=false"
        elif select not in metrics:
            message = f"{name}: fit.select={select}: dev has {', '.join(metrics)}"
        elif not math.isfinite(metrics[select]):
            message = f"{name}: {select} is {metrics[select]} on dev: look whether it has all labels"
        else:
            return
        raise TrainingError(message)

    def _record(self, loss: float, metrics: Metrics) -> None:
        """Log one epoch and keep its checkpoint; the best weights so far are kept apart."""
        better = metrics[self.settings.select] > self.best
        self.epoch, self.stale = self.epoch + 1, 0 if better else self.stale + 1
        self.best = max(self.best, metrics[self.settings.select])
        rounded = {key: round(value, 4) for key, value in metrics.items()}
        self.rows.append({"epoch": self.epoch, "loss": round(loss, 4), **rounded})
        if self.accelerator.is_main_process:
            self._write(metrics, better=better)
        self.accelerator.wait_for_everyone()

    def _write(self, metrics: Metrics, *, better: bool) -> None:
        _log.info("%s %s", self.stage.name, self.rows[-1])
        if better:
            best = {"model": self.average.module.state_dict(), "metrics": metrics, "made_with": self.made_with}
            save_checkpoint(best, self.folder / _BEST)
        save_checkpoint(self._state(), self.folder / _LAST)
        write_whole(self.folder / "metrics.jsonl", "".join(f"{json.dumps(row)}\n" for row in self.rows))
        for key, value in {**self.rows[-1], "rate": self.scheduler.get_last_lr()[0]}.items():
            self.board.add_scalar(key, value, self.epoch)
        self.board.flush()

    @cached_property
    def board(self) -> SummaryWriter:
        """Return TensorBoard's log; what an interrupted run wrote of this epoch and later ones is hidden."""
        return SummaryWriter(self.folder / "tensorboard", purge_step=self.epoch)

    def close(self) -> None:
        """Close the log."""
        if "board" in self.__dict__:
            self.board.close()

    def _state(self) -> State:
        scaler = self.accelerator.scaler
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {"last_epoch": self.scheduler.last_epoch},
            "scaler": scaler.state_dict() if scaler is not None else {},
            "epoch": self.epoch,
            "best": self.best,
            "stale": self.stale,
            "rows": self.rows,
            "made_with": self.made_with,
        }

    def _resume(self, state: State) -> None:
        path = self.folder / _LAST
        check_settings(self.made_with, state.get("made_with", {}), path)
        check_shapes(self.model.state_dict(), state["model"], path)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.last_epoch = state["scheduler"]["last_epoch"]
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best = state["epoch"], state["best"]
        self.stale, self.rows = state.get("stale", 0), state.get("rows", [])
        _log.info("%s goes on after epoch %d", self.stage.name, self.epoch)

    def load_best(self) -> Metrics:
        """Load the best weights into the stage's model and return their metrics."""
        state = load_checkpoint(self.folder / _BEST)
        check_shapes(self.model.state_dict(), state["model"], self.folder / _BEST)
        self.model.load_state_dict(state["model"])
        best: Metrics = state["metrics"]
        return best
