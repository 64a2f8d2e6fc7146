from pathlib import Path

import pytest

from models.labels import LABEL_INDEX
from trainer.data.conversation import AbsentError, DatasetError, Skipped
from trainer.data.meld import UNUSABLE, load_meld
from trainer.data.table import clean_text

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def meld(folder: Path, rows: str, encoding: str = "utf-8", split: str = "train") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}_sent_emo.csv").write_text(HEADER + rows, encoding=encoding)
    return folder


def row(text: str, emotion: str, dialog: int, utterance: int, end: str = "00:00:02,000") -> str:
    return f'1,"{text}",Ross,{emotion},neutral,{dialog},{utterance},1,1,"00:00:01,000","{end}"\n'


def clips(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_dialogs_are_in_the_order_of_their_utterances(tmp_path: Path) -> None:
    folder = meld(tmp_path, row("Second", "joy", 0, 1) + row("First", "anger", 0, 0) + row("Other", "fear", 7, 0))
    dialogs = load_meld(folder, "train").dialogs
    assert [[item.turn.text for item in dialog] for dialog in dialogs] == [["First", "Second"], ["Other"]]
    assert [item.name for item in dialogs[0]] == ["dia0_utt0", "dia0_utt1"]
    assert dialogs[0][0].label == LABEL_INDEX["anger"]


def test_typographic_quotes_become_plain_as_recognisers_write_them() -> None:
    assert clean_text("\u201cYou\u2019ve  won\u2026\u201d") == '"You\'ve won..."'


def test_tables_alone_are_text_only_and_no_error(tmp_path: Path) -> None:
    found = load_meld(meld(tmp_path, row("a", "joy", 0, 0)), "train")
    assert found.utterances[0].clip is None
    assert found.noted == ()


def test_the_official_layout_gives_every_utterance_its_clip(meld_root: Path) -> None:
    for split, count in (("train", 10), ("dev", 4), ("test", 4)):
        found = load_meld(meld_root, split)
        assert len(found.utterances) == count
        assert all(one.clip and one.clip.video and one.clip.video.is_file() for one in found.utterances)
        assert (found.skipped, found.noted) == ((), ())
    assert load_meld(meld_root, "dev", media=False).utterances[0].clip is None


@pytest.mark.parametrize("nested", ["train", "MELD.Raw", "MELD.Raw/train"])
def test_what_the_release_is_unpacked_to_is_found(tmp_path: Path, nested: str) -> None:
    meld(tmp_path, row("a", "joy", 0, 0))
    folder = clips(tmp_path / nested / "train_splits", "dia0_utt0.mp4")
    clip = load_meld(tmp_path, "train").utterances[0].clip
    assert clip is not None
    assert clip.video == folder / "dia0_utt0.mp4"


def test_a_missing_clip_is_noted_and_the_text_stays(tmp_path: Path) -> None:
    meld(tmp_path, row("a", "joy", 0, 0) + row("b", "joy", 0, 1))
    clips(tmp_path / "train_splits", "dia0_utt1.mp4", "._dia0_utt0.mp4", "final_videos_testdia9_utt1.mp4")
    found = load_meld(tmp_path, "train")
    assert [one.clip is None for one in found.utterances] == [True, False]
    assert found.noted == (Skipped("dia0_utt0", "no media: its clip is not there"),)


@pytest.mark.parametrize(("split", "name"), UNUSABLE)
def test_clips_known_to_be_of_no_use_are_left_out(tmp_path: Path, split: str, name: str) -> None:
    dialog, utterance = (int(part[3:]) for part in name.split("_"))
    meld(tmp_path, row("a", "joy", dialog, utterance), split=split)
    folders = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
    clips(tmp_path / folders[split], f"{name}.mp4")
    found = load_meld(tmp_path, split)
    assert found.utterances[0].clip is None
    assert [entry.name for entry in found.noted] == [name]


def test_odd_times_are_noted(tmp_path: Path) -> None:
    rows = row("a", "joy", 0, 0, end="00:00:01,000") + row("b", "joy", 0, 1, end="00:07:01,000")
    assert load_meld(meld(tmp_path, rows), "train").noted == (
        Skipped("dia0_utt0", "0 s long by its times"),
        Skipped("dia0_utt1", "7.0 minutes long by its times"),
    )


def test_the_path_of_a_table_is_a_split_too(meld_root: Path, tmp_path: Path) -> None:
    table = meld_root / "test_sent_emo.csv"
    assert all(one.clip is not None for one in load_meld(tmp_path, str(table)).utterances)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / table.name).write_bytes(table.read_bytes())
    assert len(load_meld(tmp_path, str(tmp_path / "one")).utterances) == 4
    with pytest.raises(AbsentError, match="check --root"):
        load_meld(tmp_path, str(meld_root))
    other = tmp_path / "held_out.csv"
    other.write_bytes(table.read_bytes())
    assert load_meld(tmp_path, str(other)).utterances[0].clip is None


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (row("a", "joy", 0, 0) + row("b", "boredom", 0, 1), r"train_sent_emo.csv:3: unknown emotion 'boredom'"),
        (row("a", "joy", 0, 0) + row("b", "joy", 0, 0), r"train_sent_emo.csv:3: dia0_utt0 is there twice"),
        ("1,hello,Ross\n", r"train_sent_emo.csv:2: another number of cells"),
        (row("a", "joy", 0, 0).replace(",0,0,", ",x,0,"), r"train_sent_emo.csv:2: Dialogue_ID must be a whole number"),
        (row("a", "joy", 0, 0) + row("you\u00e2\u20ac\u2122re", "joy", 0, 1), r":3: encodings are mixed up"),
    ],
)
def test_a_wrong_row_names_file_and_line(tmp_path: Path, rows: str, what: str) -> None:
    with pytest.raises(DatasetError, match=what):
        load_meld(meld(tmp_path, rows), "train")


def test_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    folder = meld(tmp_path, row("plain", "joy", 0, 0) + row("you\u2019re", "joy", 0, 1), encoding="cp1252")
    with pytest.raises(DatasetError, match=r"train_sent_emo.csv:3: not UTF-8 \(byte 0x92\)"):
        load_meld(folder, "train")


def test_a_missing_column_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match="check --root or --data"):
        load_meld(tmp_path, "train")
    (tmp_path / "train_sent_emo.csv").write_text("Utterance,Speaker\nhi,Ross\n")
    with pytest.raises(DatasetError, match="column Emotion"):
        load_meld(tmp_path, "train")
