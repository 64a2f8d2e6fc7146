from pathlib import Path

import numpy as np
import pytest

from models.labels import LABEL_INDEX
from trainer.data.errors import DatasetError
from trainer.data.fer2013 import load_fer2013
from trainer.data.meld import load_meld
from trainer.data.speech import load_speech
from trainer.data.wording import clean_text

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def meld(folder: Path, rows: str, encoding: str = "utf-8") -> Path:
    (folder / "train_sent_emo.csv").write_text(HEADER + rows, encoding=encoding)
    return folder


def row(text: str, emotion: str, dialog: int, utterance: int) -> str:
    return f'1,"{text}",Ross,{emotion},neutral,{dialog},{utterance},1,1,"00:00:01,000","00:00:02,000"\n'


def test_meld_dialogs_are_in_the_order_of_their_utterances(tmp_path: Path) -> None:
    folder = meld(tmp_path, row("Second", "joy", 0, 1) + row("First", "anger", 0, 0) + row("Other", "fear", 7, 0))
    dialogs = load_meld(folder, "train").dialogs
    assert [[item.turn.text for item in dialog] for dialog in dialogs] == [["First", "Second"], ["Other"]]
    assert dialogs[0][0].label == LABEL_INDEX["anger"]


def test_typographic_quotes_become_plain_as_recognisers_write_them() -> None:
    assert clean_text("\u201cYou\u2019ve  won\u2026\u201d") == '"You\'ve won..."'


def test_an_unknown_emotion_names_file_and_line(tmp_path: Path) -> None:
    folder = meld(tmp_path, row("a", "joy", 0, 0) + row("b", "boredom", 0, 1))
    with pytest.raises(DatasetError, match=r"train_sent_emo.csv:3: unknown emotion 'boredom'"):
        load_meld(folder, "train")


def test_another_encoding_is_told(tmp_path: Path) -> None:
    folder = meld(tmp_path, row("you\u2019re", "joy", 0, 0), encoding="cp1252")
    with pytest.raises(DatasetError, match="not UTF-8"):
        load_meld(folder, "train")


def test_a_missing_column_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="check --root or --data"):
        load_meld(tmp_path, "train")
    (tmp_path / "train_sent_emo.csv").write_text("Utterance,Speaker\nhi,Ross\n")
    with pytest.raises(DatasetError, match="column Emotion"):
        load_meld(tmp_path, "train")


def test_fer2013_classes_are_mapped_by_name_not_by_position(tmp_path: Path) -> None:
    pixels = np.zeros((2, 48, 48), np.uint8)
    classes = np.array(["happy", "angry"])
    np.savez(tmp_path / "dev.npz", pixels=pixels, label=np.array([0, 1], np.int8), classes=classes)
    assert load_fer2013(tmp_path, "dev").labels.tolist() == [LABEL_INDEX["joy"], LABEL_INDEX["anger"]]


def test_an_unknown_fer2013_class_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "dev.npz", pixels=np.zeros((1, 48, 48)), label=np.zeros(1), classes=np.array(["contempt"]))
    with pytest.raises(DatasetError, match="unknown class 'contempt'"):
        load_fer2013(tmp_path, "dev")


CLIPS = {
    "ravdess": ["03-01-02-01-01-01-01", "03-01-08-01-02-01-18"],
    "emodb": ["03a01Wa", "03a02Lb", "09a01Nb"],
    "nemo": ["EB0_surprised_1", "SM0_anger_2"],
    "emovo": ["gio-m1-b1", "pau-f3-n1"],
    "crema_d": ["1001_IEO_HAP_HI", "1005_DFA_SAD_XX"],
}


def corpora(root: Path) -> Path:
    for corpus, names in CLIPS.items():
        (root / corpus).mkdir()
        for name in names:
            (root / corpus / f"{name}.opus").touch()
    return root


def test_speech_is_split_by_speaker_and_labelled_from_its_names(tmp_path: Path) -> None:
    corpora(tmp_path)
    train, dev = load_speech(tmp_path, "train"), load_speech(tmp_path, "dev")
    assert {(clip.corpus, clip.speaker) for clip in train} & {(clip.corpus, clip.speaker) for clip in dev} == set()
    named = {clip.path.stem: clip.label for clip in (*train, *dev)}
    assert named == {
        "03-01-02-01-01-01-01": LABEL_INDEX["neutral"],
        "03-01-08-01-02-01-18": LABEL_INDEX["surprise"],
        "03a01Wa": LABEL_INDEX["anger"],
        "09a01Nb": LABEL_INDEX["neutral"],
        "EB0_surprised_1": LABEL_INDEX["surprise"],
        "SM0_anger_2": LABEL_INDEX["anger"],
        "gio-m1-b1": LABEL_INDEX["joy"],
        "pau-f3-n1": LABEL_INDEX["fear"],
        "1001_IEO_HAP_HI": LABEL_INDEX["joy"],
        "1005_DFA_SAD_XX": LABEL_INDEX["sadness"],
    }, "boredom is left out"


def test_a_file_of_another_name_is_told(tmp_path: Path) -> None:
    corpora(tmp_path)
    (tmp_path / "emodb" / "readme.opus").touch()
    with pytest.raises(DatasetError, match=r"readme\.opus: not named as emodb"):
        load_speech(tmp_path, "train")
