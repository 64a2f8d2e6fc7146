"""Training and scoring the rows of the paper's tables; what was done before with the same settings is read."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from tqdm import tqdm

from models.files.whole_file import write_whole
from models.networks.calibration import fit_temperature
from trainer.dialogs.features import truth
from trainer.dialogs.logits import full_logits
from trainer.evaluation.ablations import AblationRow
from trainer.evaluation.paper import PaperCorpus, PaperScores, paper_scores
from trainer.evaluation.report import averaged
from trainer.evaluation.scores import Scores, score
from trainer.evaluation.table_data import TableData
from trainer.fit.loop import fit
from trainer.stages.fusion import FusionSettings, FusionStage

_VERSION: Final = 1  # to be raised when the same settings would give another result
_SETTINGS: Final = TypeAdapter(FusionSettings)


class RowResult(BaseModel):
    """What one training reached, as kept on disk; ``settings`` are all that it depends on."""

    model_config = ConfigDict(frozen=True)

    settings: dict[str, Any]
    scores: Scores


class TableLine(BaseModel):
    """One line of a table.

    Attributes:
        table: 2 to 5.
        name: what sets the row apart.
        paper: what the paper reports.
        scores: ours, one for each seed; none if the row was not run.
        why: why it was not run.
    """

    model_config = ConfigDict(frozen=True)

    table: int
    name: str
    paper: PaperScores
    scores: tuple[Scores, ...] = ()
    why: str = ""

    @property
    def mean(self) -> Scores | None:
        """Return our scores averaged over the seeds, None if the row was not run."""
        return averaged(self.scores) if self.scores else None

    def deviation(self, name: str) -> float | None:
        """Return the sample standard deviation of one score over the seeds, None for fewer than two."""
        values = [getattr(found, name) for found in self.scores]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True)
class TablePlan:
    """How the rows are trained.

    Attributes:
        base: the settings that rows don't change.
        seeds: each row is trained once with each.
        folder: where results are kept.
    """

    base: FusionSettings
    seeds: tuple[int, ...]
    folder: Path


def run_tables(
    rows: Sequence[AblationRow], data: TableData | str, corpus: PaperCorpus, plan: TablePlan
) -> Iterator[TableLine]:
    """Train and score rows, one after the other; those that there are no data for say so.

    Args:
        rows: which.
        data: the features, or why there are none.
        corpus: whose figures of the paper to put beside.
        plan: how.

    Raises:
        CheckpointError: the folder holds a damaged checkpoint.
        FileError: the disk is full.
    """
    for row in tqdm(rows, desc="rows"):
        line = TableLine(table=row.table, name=row.name, paper=paper_scores(corpus, row.key))
        why = data if isinstance(data, str) else _why_not(row, data)
        if why or isinstance(data, str):
            yield line.model_copy(update={"why": why})
        else:
            scores = tuple(run_row(row, data, plan, seed).scores for seed in plan.seeds)
            yield line.model_copy(update={"scores": scores})


def _why_not(row: AblationRow, data: TableData) -> str:
    missing = data.lacks(row.modalities)
    return f"no {' and no '.join(missing)} features" if missing else ""


def run_row(row: AblationRow, data: TableData, plan: TablePlan, seed: int) -> RowResult:
    """Train and score one row with one seed, or read what that gave before."""
    base = row.settings(plan.base)
    settings = replace(base, fit=replace(base.fit, seed=seed))
    given = data.only(row.modalities)
    told = {"version": _VERSION, "data": given.digest(), "fusion": _SETTINGS.dump_python(settings, mode="json")}
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]
    path = plan.folder / f"{key}.json"
    known = _known(path)
    if known is not None:
        return known
    checkpoints = plan.folder / key
    result = RowResult(settings={**told, "row": row.key}, scores=_train(given, settings, checkpoints))
    write_whole(path, result.model_dump_json(indent=2))
    shutil.rmtree(checkpoints)  # hundreds of megabytes, of no use once there is a result
    return result


def _known(path: Path) -> RowResult | None:
    try:
        return RowResult.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _train(data: TableData, settings: FusionSettings, folder: Path) -> Scores:
    """Train on train, choose checkpoint and temperature on dev, and score."""
    stage = FusionStage(data.train, data.dev, len(data.labels), settings)
    fit(stage, settings.fit, folder)
    on_dev = full_logits(stage.model, data.dev, stage.config)
    logits = full_logits(stage.model, data.judged, stage.config)
    temperature = fit_temperature(on_dev, truth(data.dev))
    return score(truth(data.judged), logits, data.labels, temperature)
