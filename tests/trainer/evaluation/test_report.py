import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scored import FULL, MOMENT, TEXT, report, rows

from models.labels import LABELS
from trainer.evaluation import render
from trainer.evaluation.figures import save_figures
from trainer.evaluation.report import averaged, over_bundles
from trainer.evaluation.scores import EvaluationError


def test_several_bundles_give_means_and_deviations() -> None:
    found = report(seeds=3)
    single = [row.scores.weighted_f1 for seed in range(3) for row in rows(seed, MOMENT)]
    assert found.main.mean.weighted_f1 == pytest.approx(np.mean(single))
    assert found.main.deviation["weighted_f1"] == pytest.approx(np.std(single, ddof=1))
    assert found.main.mean.n == 60
    assert np.sum(found.main.mean.confusion) == 180
    assert report(seeds=1).main.deviation == {}


def test_the_bins_of_several_bundles_are_those_of_all_their_answers() -> None:
    first, second = (rows(seed, MOMENT)[0].scores for seed in (0, 1))
    joined = averaged([first, second]).reliability.after
    for one, two, both in zip(first.reliability.after, second.reliability.after, joined, strict=True):
        assert both.count == one.count + two.count
        if both.count:
            right = one.accuracy * one.count + two.accuracy * two.count
            assert both.accuracy == pytest.approx(right / both.count)


def test_only_answers_that_may_be_uncertain_have_columns_for_it() -> None:
    found = report().model_copy(update={"rows": over_bundles([rows(0, MOMENT, TEXT)])})
    headings, (fused, alone) = render.summary_rows(found)
    unsure, rest = headings.index("not sure"), headings.index("precision of the rest")
    scores = found.main.mean
    assert 0 < scores.uncertain < 1
    assert (fused[unsure], fused[rest]) == (f"{100 * scores.uncertain:.2f}", f"{100 * scores.sure_precision:.2f}")
    assert (alone[unsure], alone[rest]) == ("", "")
    first, second = csv.DictReader(io.StringIO(render.as_csv(found)))
    assert (float(first["uncertain"]), second["uncertain"]) == (scores.uncertain, "")
    without = found.model_copy(update={"rows": over_bundles([rows(0, TEXT)])})
    assert "not sure" not in render.summary_rows(without)[0]
    means = averaged([row.scores for seed in range(3) for row in rows(seed, MOMENT)])
    assert means.uncertain == pytest.approx(np.mean([rows(seed, MOMENT)[0].scores.uncertain for seed in range(3)]))


def test_bundles_of_different_kinds_are_not_averaged() -> None:
    with pytest.raises(EvaluationError, match="differ in more than their seed"):
        over_bundles([rows(0, MOMENT, FULL), rows(1, MOMENT)])


def test_the_json_has_the_main_row_on_top_and_all_rows_below() -> None:
    found = json.loads(json.dumps(report(seeds=2).as_json()))
    assert found["weighted_f1"] == found["rows"][0]["weighted_f1"]
    assert [row["view"] for row in found["rows"]] == ["at the moment", "full context"]
    assert found["bundles"] == ["seed-0", "seed-1"]
    assert found["deviation"]["accuracy"] > 0
    assert found["notes"] == ["no audio"]


def test_the_tables_say_the_same_in_every_form() -> None:
    found = report(seeds=2)
    shown = f"{100 * found.main.mean.weighted_f1:.2f} ± {100 * found.main.deviation['weighted_f1']:.2f}"
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(render.terminal(found))
    assert shown in console.export_text()
    markdown = render.markdown(found)
    assert shown in markdown
    assert "- no audio" in markdown
    first = next(csv.DictReader(io.StringIO(render.as_csv(found))))
    assert float(first["weighted_f1"]) == found.main.mean.weighted_f1
    assert first["view"] == "at the moment"


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_images_are_written(tmp_path: Path, seeds: int) -> None:
    paths = save_figures(report(seeds), tmp_path / "new")
    assert [path.name for path in paths] == ["confusion.png", "reliability.png", "f1.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {path.name for path in paths}


def test_an_emotion_that_never_occurs_is_drawn_too(tmp_path: Path) -> None:
    found = report()
    scores = found.main.scores[0]
    empty = [[0] * len(LABELS), *scores.confusion[1:]]
    changed = found.main.model_copy(update={"scores": (scores.model_copy(update={"confusion": empty}),)})
    assert save_figures(found.model_copy(update={"rows": (changed,)}), tmp_path)
