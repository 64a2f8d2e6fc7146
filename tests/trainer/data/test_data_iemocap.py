import shutil
from pathlib import Path

import pytest
from tiny_corpora import IEMOCAP

from models.labels import IEMOCAP_LABELS
from trainer.data.conversation import AbsentError, DatasetError, Skipped
from trainer.data.iemocap import dev_dialogs, half_of, load_iemocap


@pytest.fixture
def own_root(iemocap_root: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return shutil.copytree(iemocap_root, tmp_path / "IEMOCAP_full_release")


def ratings(root: Path, dialog: str = "Ses01F_impro01") -> Path:
    return root / "Session1" / "dialog" / "EmoEvaluation" / f"{dialog}.txt"


def test_session_five_is_test_and_a_tenth_of_the_others_dialogs_is_dev(iemocap_root: Path) -> None:
    names = {
        split: {one.name[:14] for one in load_iemocap(iemocap_root, split).utterances} for split in ("train", "dev")
    }
    assert not names["train"] & names["dev"]
    assert len(load_iemocap(iemocap_root, "dev").dialogs) == 1
    assert {one.name[:5] for one in load_iemocap(iemocap_root, "test").utterances} == {"Ses05"}
    total = sum(len(load_iemocap(iemocap_root, split).dialogs) for split in ("train", "dev", "test"))  # type: ignore[arg-type]
    assert total == len(IEMOCAP)


def test_dev_is_the_same_whatever_the_order() -> None:
    names = [f"Ses0{session}F_impro{number:02d}" for session in range(1, 5) for number in range(30)]
    dev = dev_dialogs(names)
    assert len(dev) == 12
    assert dev_dialogs(names[::-1]) == dev
    assert sorted(dev)[:3] == ["Ses01F_impro01", "Ses01F_impro16", "Ses01F_impro21"]


def test_an_utterance_has_its_speaker_words_label_and_place(iemocap_root: Path) -> None:
    found = load_iemocap(iemocap_root, "train")
    first, second = found.dialogs[0]
    assert found.labels == IEMOCAP_LABELS
    assert (first.turn.speaker, first.turn.text, found.labels[first.label]) == ("Ses01F", "Excuse me.", "neutral")
    assert second.turn.speaker == "Ses01M"
    clip = second.clip
    assert clip is not None
    assert clip.video is not None
    assert clip.sound is not None
    assert (clip.video.name, clip.sound.name) == ("Ses01F_impro01.avi", "Ses01F_impro01_M001.wav")
    assert (clip.start_ms, clip.end_ms, clip.half, clip.sound_is_cut) == (900, 2000, "right", True)


def test_who_wears_the_markers_is_on_the_left() -> None:
    assert half_of("Ses01F_impro01", "F") == half_of("Ses03M_script02_1", "M") == "left"
    assert half_of("Ses01F_impro01", "M") == half_of("Ses03M_script02_1", "F") == "right"


def test_what_has_no_class_is_skipped_with_the_reason(own_root: Path) -> None:
    text = ratings(own_root).read_text()
    ratings(own_root).write_text(text.replace("\tfru\t", "\tsur\t"))
    transcript = own_root / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    lines = transcript.read_text().splitlines()
    transcript.write_text("\n".join([*lines, "M: [LAUGHTER]", "Ses01F_impro01_MXX0 [009.0-010.0]: Hm."]))
    assert load_iemocap(own_root, "train").skipped == (
        Skipped("Ses01F_impro01_M001", "surprise is not one of the six classes"),
        Skipped("Ses01F_impro01_F002", "its raters did not agree"),
        Skipped("Ses01F_impro01_MXX0", "it has no label"),
    )


def test_utterances_are_in_the_order_of_their_start(own_root: Path) -> None:
    lines = ratings(own_root).read_text().splitlines()
    ratings(own_root).write_text("\n".join(reversed(lines)))
    first = load_iemocap(own_root, "train").dialogs[0]
    assert [one.name[-4:] for one in first] == ["F000", "M001"]


def test_a_release_without_videos_has_sound_and_without_both_only_text(own_root: Path) -> None:
    for session in range(1, 6):
        shutil.rmtree(own_root / f"Session{session}" / "dialog" / "avi")
    found = load_iemocap(own_root.parent, "test")
    assert found.noted == ()
    assert all(one.clip and one.clip.sound and one.clip.video is None for one in found.utterances)
    for session in range(1, 6):
        shutil.rmtree(own_root / f"Session{session}" / "sentences")
    assert all(one.clip is None for one in load_iemocap(own_root, "test").utterances)


def test_missing_media_and_odd_times_are_noted(own_root: Path) -> None:
    session = own_root / "Session1"
    (session / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav").unlink()
    (session / "dialog" / "avi" / "DivX" / "Ses01M_script01_1.avi").unlink()
    ratings(own_root).write_text(ratings(own_root).read_text().replace("[0.9000 - 2.0000]", "[0.9000 - 0.9000]"))
    found = load_iemocap(own_root, "train")
    noted = {entry.name: entry.why for entry in found.noted}
    clips = {one.name: one.clip for one in found.utterances}
    assert noted["Ses01F_impro01_F000"] == "no sound: its .wav is not there"
    assert noted["Ses01F_impro01_M001"] == "0 s long by its times"
    assert noted["Ses01M_script01_1_M000"] == "no images: the dialog's .avi is not there"
    spoken = clips["Ses01F_impro01_M001"]
    assert spoken is not None
    assert (spoken.video, spoken.start_ms) == (None, None)


def test_macos_leavings_are_no_dialogs(own_root: Path) -> None:
    (ratings(own_root).parent / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    assert len(load_iemocap(own_root, "train").utterances) == 12


def test_a_wrong_line_names_file_and_line(own_root: Path) -> None:
    text = ratings(own_root).read_text()
    ratings(own_root).write_text(text.replace("\tneu\t", "\tmeh\t"))
    with pytest.raises(DatasetError, match=r"Ses01F_impro01\.txt:3: unknown emotion 'meh'"):
        load_iemocap(own_root, "train")
    ratings(own_root).write_text(text.replace("[0.0000 - ", "[zero - "))
    with pytest.raises(DatasetError, match=r"Ses01F_impro01\.txt:3: not a line of IEMOCAP's EmoEvaluation"):
        load_iemocap(own_root, "train")


def test_a_missing_transcript_session_or_release_is_told(own_root: Path, tmp_path: Path) -> None:
    (own_root / "Session5" / "dialog" / "transcriptions" / "Ses05F_impro01.txt").unlink()
    with pytest.raises(DatasetError, match=r"Ses05F_impro01\.txt is missing"):
        load_iemocap(own_root, "test")
    shutil.rmtree(own_root / "Session5")
    with pytest.raises(AbsentError, match="the labels of Session5"):
        load_iemocap(own_root, "test")
    with pytest.raises(AbsentError, match="no Session1"):
        load_iemocap(tmp_path / "nowhere", "train")
