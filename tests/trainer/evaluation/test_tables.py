import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cli
from models.dialog_window import Features
from trainer.dialogs.features import DialogFeatures, Modality
from trainer.evaluation import render_tables, tables
from trainer.evaluation.ablations import all_rows, chosen_rows
from trainer.evaluation.paper import MAIN, paper_scores
from trainer.evaluation.scores import EvaluationError
from trainer.evaluation.table_data import TableData
from trainer.evaluation.tables import TableLine, TablePlan, run_tables
from trainer.fit.loop import FitSettings
from trainer.stages.fusion import FusionSettings

DIM = 8
LABELS = ("calm", "loud")
SETTINGS = FusionSettings(
    fit=FitSettings(epochs=1, select="weighted_f1", bf16=False), encoders=1, fusion_layers=1, heads=2, batch=4
)


def dialogs(count: int, modalities: Sequence[Modality], seed: int) -> list[DialogFeatures]:
    generator = np.random.default_rng(seed)

    def features(name: Modality, labels: Sequence[int]) -> Features:
        if name not in modalities:
            return [None] * len(labels)
        return [(generator.normal(size=DIM) + label).astype(np.float32) for label in labels]

    found = []
    for _ in range(count):
        labels = generator.integers(0, 2, 3).tolist()
        found.append(DialogFeatures(*(features(name, labels) for name in ("text", "audio", "face", "scene")), labels))
    return found


def data(*modalities: Modality) -> TableData:
    train, dev, judged = (dialogs(count, modalities, seed) for seed, count in enumerate((8, 4, 4)))
    return TableData(train, dev, judged, LABELS)


def run(rows: Sequence[str], found: TableData | str, folder: Path, *seeds: int) -> list[TableLine]:
    plan = TablePlan(SETTINGS, seeds or (0,), folder)
    return list(run_tables(chosen_rows(rows=rows), found, "meld", plan))


def test_the_tables_have_the_papers_rows() -> None:
    counts = {table: sum(row.table == table for row in all_rows()) for table in (2, 3, 4, 5)}
    assert counts == {2: 7, 3: 3, 4: 6, 5: 6}
    assert [row.key for row in chosen_rows([3])] == ["3:face", "3:scene", "3:face+scene"]
    assert [row.key for row in chosen_rows(rows=["4:2", "2: text"])] == ["2:text", "4:2"]
    assert len(chosen_rows()) == 22


@pytest.mark.parametrize(("numbers", "rows", "told"), [([7], [], "no table 7"), ([2], ["4:1"], "no row 4:1")])
def test_tables_and_rows_that_there_are_not_are_told(numbers: list[int], rows: list[str], told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        chosen_rows(numbers, rows)


def test_the_papers_main_result_stands_in_every_table() -> None:
    for row in ("2:text+audio+visual", "3:face+scene", "4:1", "5:5"):
        assert paper_scores("meld", row) == MAIN["meld"]
    assert paper_scores("iemocap", "4:5") == MAIN["iemocap"]
    assert paper_scores("meld", "2:audio").weighted_f1 == 39.6
    assert paper_scores("meld", "4:2").weighted_f1 is None


def test_rows_without_data_are_marked_and_never_filled(tmp_path: Path) -> None:
    lines = run(["2:text", "2:audio", "3:scene"], data("text"), tmp_path)
    assert [(line.name, line.why) for line in lines] == [
        ("text", ""),
        ("audio", "no audio features"),
        ("scene", "no audio and no scene features"),
    ]
    assert [line.mean is None for line in lines] == [False, True, True]
    shown = render_tables.markdown(lines, "meld")
    assert "| audio | 39.60 |  |  | ? |  |  | not run: no audio features |" in shown
    (line,) = run(["5:5"], "no such split", tmp_path)
    assert line.why == "no such split"


def test_depths_change_the_network(tmp_path: Path) -> None:
    row = chosen_rows(rows=["4:3"])[0]
    assert row.settings(SETTINGS).encoders == 3
    assert row.settings(SETTINGS).fusion_layers == 1
    lines = run(["4:1", "5:2"], data("text", "audio", "face", "scene"), tmp_path)
    assert all(line.mean is not None and line.mean.n == 12 for line in lines)


def test_what_was_trained_is_read_and_another_setting_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = data("text")
    (first,) = run(["2:text"], found, tmp_path, 0, 1)
    assert first.deviation("weighted_f1") is not None
    assert len(list(tmp_path.iterdir())) == 2, "results are kept, checkpoints are not"
    monkeypatch.setattr(tables, "_train", lambda *_: pytest.fail("trained again"))
    assert run(["2:text"], found, tmp_path, 0, 1) == [first]
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        run(["2:text"], found, tmp_path, 2)
    changed = replace(found, train=found.train[:-1])
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        run(["2:text"], changed, tmp_path, 0)


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    (first,) = run(["2:text"], data("text"), tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    assert run(["2:text"], data("text"), tmp_path) == [first]


def test_the_forms_hold_the_difference(tmp_path: Path) -> None:
    lines = run(["2:audio"], data("audio"), tmp_path)
    assert lines[0].mean is not None
    ours = lines[0].mean.weighted_f1
    assert f"{100 * ours - 39.6:+.2f}" in render_tables.markdown(lines, "meld")
    row = next(csv.DictReader(io.StringIO(render_tables.as_csv(lines))))
    assert (float(row["paper_weighted_f1"]), float(row["ours_weighted_f1"])) == (39.6, pytest.approx(ours))
    assert row["paper_accuracy"] == row["deviation_weighted_f1"] == row["not_run"] == ""
    assert json.loads(render_tables.as_json(lines, "meld"))["lines"][0]["scores"][0]["n"] == 12


def test_the_command_marks_what_it_cannot_run(bundle_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables.md"
    arguments = ["--dataset", "meld", "--root", tmp_path, "--bundle", bundle_folder, "--runs", tmp_path / "runs"]
    chosen = ["--tables", "2,3", "--rows", "2:text,3:face", "--seeds", "0,1", "--markdown", out]
    result = CliRunner().invoke(cli.app, ["evaluate", "tables", *map(str, [*arguments, *chosen])])
    assert result.exit_code == 0, result.output
    assert out.read_text().count("not run: MELD's train split not found") == 2
    wrong = CliRunner().invoke(cli.app, ["evaluate", "tables", *map(str, arguments), "--tables", "two"])
    assert wrong.exit_code == 2
