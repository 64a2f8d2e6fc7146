import json
from pathlib import Path

import pytest
from tiny_corpora import tiny_csv
from typer.testing import CliRunner

import cli
from trainer.data.conversation import AbsentError, DatasetError, Skipped
from trainer.data.registry import load_conversations
from trainer.data.report import by_reason, report

runner = CliRunner()


def show(dataset: str, root: Path, *arguments: str) -> str:
    command = ["train", "data", "--dataset", dataset, "--root", str(root), *arguments]
    result = runner.invoke(cli.app, command, env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return result.output


def test_table_1_stands_beside_the_papers(meld_root: Path) -> None:
    shown = show("meld", meld_root)
    assert [line.split() for line in shown.splitlines() if line.startswith(("train", "test"))] == [
        ["train", "4", "1,098", "10", "9,989", "3", "10", "10"],
        ["test", "2", "280", "4", "2,610", "3", "4", "4"],
    ]
    assert "misprint" in shown


def test_every_utterance_without_a_clip_is_named_with_the_reason(meld_root: Path, tmp_path: Path) -> None:
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):
        (tmp_path / name).write_bytes((meld_root / name).read_bytes())
    (tmp_path / "train_splits").mkdir()
    shown = show("meld", tmp_path, "--all")
    assert "train: kept, but (10)" in shown
    assert "no media: its clip is not there (10): dia0_utt0, dia0_utt1" in shown
    assert "dia3_utt1" in shown
    assert "test: not there" in shown
    assert "and 8 more" not in shown


def test_a_long_list_is_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"03a{number:02d}La.wav").touch()
    (tmp_path / "03a01Wa.wav").touch()
    assert "and 8 more (--all names them)" in " ".join(show("emodb", tmp_path, "--split", "all").split())


def test_iemocap_is_summed_over_train_and_dev_as_the_paper_does(iemocap_root: Path) -> None:
    found = report("iemocap", iemocap_root)
    assert [(split.split, split.dialogs) for split in found.splits] == [("train", 6), ("dev", 1), ("test", 2)]
    row = next(line for line in show("iemocap", iemocap_root).splitlines() if line.startswith("train + dev"))
    assert row.split() == ["train", "+", "dev", "7", "120", "14", "5,810"]


def test_the_report_is_json_too(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    show("csv", tiny_csv(tmp_path / "own"), "--json", str(out))
    found = json.loads(out.read_text())
    assert [split["split"] for split in found["splits"]] == ["train", "dev", "test"]
    assert found["splits"][0]["labels"] == {"bad": 2, "good": 2, "plain": 2}
    assert found["splits"][0]["visual"] == 6


def test_faces_and_many_labels_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"speaker {number}").mkdir()
        (tmp_path / f"speaker {number}" / "a.wav").touch()
    assert "and 10 more" in show("audiofolder", tmp_path, "--split", "all")


def test_a_corpus_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AbsentError):
        report("meld", tmp_path)
    result = runner.invoke(cli.app, ["train", "data", "--dataset", "iemocap", "--root", str(tmp_path)])
    assert result.exit_code == 1
    assert "IEMOCAP not found: no Session1" in result.output


def test_reasons_are_in_the_order_of_how_many_they_are() -> None:
    entries = [Skipped("a", "x"), Skipped("b", "y"), Skipped("c", "y")]
    assert by_reason(entries) == {"y": ["b", "c"], "x": ["a"]}


def test_an_unknown_corpus_or_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no corpus 'fer2013' here: there are meld, iemocap, csv"):
        load_conversations("fer2013", tmp_path, "dev")
    with pytest.raises(DatasetError, match="iemocap has no split 'validation'"):
        load_conversations("iemocap", tmp_path, "validation")
