from pathlib import Path

import pytest
from tiny_corpora import tiny_csv

from trainer.data.conversation import AbsentError, Clip, DatasetError, Skipped
from trainer.data.own import load_own

HEADER = "dialog,utterance,speaker,text,label,start,end,file\n"


def table(root: Path, rows: str, split: str = "train", header: str = HEADER) -> Path:
    (root / f"{split}.csv").write_text(header + rows, encoding="utf-8")
    return root


def test_the_documented_layout_is_read(tmp_path: Path) -> None:
    root = tiny_csv(tmp_path / "own")
    found = load_own(root, "train")
    assert (found.labels, len(found.dialogs), len(found.utterances)) == (("bad", "good", "plain"), 3, 6)
    second = found.dialogs[0][1]
    assert (second.turn.speaker, found.labels[second.label]) == ("Ben", "bad")
    assert second.clip == Clip(root / "clips" / "train0.mp4", start_ms=900, end_ms=1800)
    assert load_own(root, "dev").labels == found.labels
    assert load_own(root, "dev", media=False).utterances[0].clip is None


def test_text_alone_needs_no_columns_for_media_and_sound_alone_has_no_images(tmp_path: Path) -> None:
    table(tmp_path, "a,0,Ann,Hi,good\n", header="dialog,utterance,speaker,text,label\n")
    assert load_own(tmp_path, "train").utterances[0].clip is None
    (tmp_path / "a.flac").touch()
    table(tmp_path, "a,0,Ann,Hi,good,,,a.flac\n")
    assert load_own(tmp_path, "train").utterances[0].clip == Clip(sound=tmp_path / "a.flac")


def test_labels_are_those_given_or_of_train_or_of_the_file_alone(tmp_path: Path) -> None:
    table(tmp_path, "a,0,Ann,Hi,good,,,\n", split="dev")
    assert load_own(tmp_path, "dev").labels == ("good",)
    table(tmp_path, "a,0,Ann,Hi,bad,,,\n")
    with pytest.raises(DatasetError, match=r"dev\.csv:2: label 'good' is not one of the set: bad"):
        load_own(tmp_path, "dev")
    assert load_own(tmp_path, "dev", ["good", "bad"]).utterances[0].label == 0


def test_the_path_of_a_file_is_a_split_too(tmp_path: Path) -> None:
    table(tmp_path, "a,0,Ann,Hi,good,,,\n", split="held out")
    assert len(load_own(tmp_path / "nowhere", str(tmp_path / "held out.csv")).utterances) == 1


def test_an_utterance_of_minutes_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    found = load_own(table(tmp_path, "a,0,Ann,Hi,good,0,301,a.mp4\n"), "train")
    assert found.utterances[0].clip is None
    assert found.noted == (Skipped("a_0", "5.0 minutes long by its times"),)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("a,first,Ann,Hi,good,,,", "utterance must be a whole number, not 'first'"),
        ("a,1,Ann,Hi,good,one,2,", "start must be seconds, such as 12.5, not 'one'"),
        ("a,1,Ann,Hi,good,inf,2,", "start must be seconds"),
        ("a,1,Ann,Hi,good,nan,2,", "start must be seconds"),
        ("a,1,Ann,Hi,good,2,2,", "the utterance ends at 2 s but starts at 2 s"),
        ("a,1,Ann,Hi,good,2,,", "start and end must both be there, or neither"),
        ("a,1,Ann,Hi,good,,,gone.mp4", "gone.mp4 is missing"),
        ("a,0,Ann,Hi,good,,,", "utterance 0 of dialog 'a' is there twice"),
        (",1,Ann,Hi,good,,,", "dialog is empty"),
        ("a,1,Ann,Hi,,,,", "label '' is not one of the set"),
        ("a,1,Ann,Hi", "another number of cells"),
    ],
)
def test_a_wrong_row_names_file_and_line(tmp_path: Path, row: str, what: str) -> None:
    table(tmp_path, f"a,0,Ann,Hi,good,,,\n{row}\n")
    with pytest.raises(DatasetError, match=rf"train\.csv:3: .*{what}"):
        load_own(tmp_path, "train")


def test_a_missing_column_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match=r"test\.csv not found"):
        load_own(tmp_path, "test")
    table(tmp_path, "", header="dialog;utterance;speaker;text;label\n")
    with pytest.raises(DatasetError, match=r"train\.csv:1: column dialog, .*separated by commas"):
        load_own(tmp_path, "train")
