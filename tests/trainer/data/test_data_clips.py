from pathlib import Path

import pytest

from models.labels import LABEL_INDEX, LABELS
from trainer.data.conversation import AbsentError, DatasetError
from trainer.data.registry import load_clips
from trainer.data.speech import load_speech

CLIPS = {
    "ravdess": ["03-01-02-01-01-01-01", "03-01-08-01-02-01-18"],
    "emodb": ["03a01Wa", "03a02Lb", "09a01Nb"],
    "nemo": ["EB0_surprised_1", "SM0_anger_2"],
    "emovo": ["gio-m1-b1", "pau-f3-n1"],
    "crema_d": ["1001_IEO_HAP_HI", "1005_DFA_SAD_XX"],
    "ased": ["S4-01-01-01-01", "h3-02-01-02-06"],
    "emospeech_india": ["004_fear_bacho_001", "010_anger_no_012"],
}
VOTES = "file,voice_A,voice_D,voice_F,voice_H,voice_N,voice_S\n"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def corpora(root: Path) -> Path:
    touch(*(root / corpus / f"{name}.opus" for corpus, names in CLIPS.items() for name in names))
    return root


def labels(dataset: str, root: Path, split: str = "all") -> dict[str, str]:
    found = load_clips(dataset, root, split)
    return {clip.path.stem: found.classes[clip.label] for clip in found}


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
        "S4-01-01-01-01": LABEL_INDEX["sadness"],
        "h3-02-01-02-06": LABEL_INDEX["joy"],
        "004_fear_bacho_001": LABEL_INDEX["fear"],
        "010_anger_no_012": LABEL_INDEX["anger"],
    }, "boredom is left out"


def test_a_file_of_another_name_is_told(tmp_path: Path) -> None:
    corpora(tmp_path)
    touch(tmp_path / "emodb" / "readme.opus")
    with pytest.raises(DatasetError, match=r"readme\.opus: not named as emodb"):
        load_speech(tmp_path, "train")


def test_what_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    found = load_clips("emodb", corpora(tmp_path), "train")
    assert [(entry.name, entry.why) for entry in found.skipped] == [
        ("03a02Lb.opus", "its emotion, L, is not one of the seven")
    ]


def test_what_raters_heard_counts_more_than_what_an_actor_was_told(tmp_path: Path) -> None:
    corpora(tmp_path)
    (tmp_path / "crema_d_votes").mkdir()
    (tmp_path / "crema_d_votes" / "votes.csv").write_text(
        f"{VOTES}1001_IEO_HAP_HI,0,0,1,0,3,0\n1005_DFA_SAD_XX,0,2,0,0,2,1\n"
    )
    (clip,) = load_clips("crema_d", tmp_path, "train")
    assert clip.label == LABEL_INDEX["neutral"]
    assert clip.votes is not None
    assert {label: share for label, share in zip(LABELS, clip.votes, strict=True) if share} == {
        "neutral": 0.75,
        "fear": 0.25,
    }
    tied = load_clips("crema_d", tmp_path, "dev")
    assert not len(tied)
    assert [entry.why for entry in tied.skipped] == ["raters heard two emotions in it equally often"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (VOTES, "nobody voted on it"),
        ("file,voice_A\n1001_IEO_HAP_HI,1\n", "needs the columns file, voice_A, voice_D"),
        (f"{VOTES}1001_IEO_HAP_HI,many,0,0,0,0,0\n", "can't be read as votes"),
    ],
)
def test_votes_that_are_not_whole_are_told(tmp_path: Path, table: str, reason: str) -> None:
    corpora(tmp_path)
    (tmp_path / "crema_d" / "votes.csv").write_text(table)
    with pytest.raises(DatasetError, match=reason):
        load_clips("crema_d", tmp_path, "train")


def test_tess_and_savee_are_read_by_their_official_names(tmp_path: Path) -> None:
    touch(
        tmp_path / "tess" / "OAF_angry" / "OAF_back_angry.wav",
        tmp_path / "tess" / "YAF_pleasant_surprised" / "YAF_dog_ps.wav",
        tmp_path / "tess" / "OAF_neutral" / "OA_bite_neutral.wav",
        tmp_path / "savee" / "AudioData" / "DC" / "sa01.wav",
        tmp_path / "savee" / "AudioData" / "KL" / "a15.wav",
        tmp_path / "savee" / "JE_su03.wav",
        tmp_path / "savee" / "AudioData" / "Info.txt",
    )
    assert labels("tess", tmp_path) == {
        "OAF_back_angry": "anger",
        "YAF_dog_ps": "surprise",
        "OA_bite_neutral": "neutral",
    }
    assert labels("savee", tmp_path) == {"sa01": "sadness", "a15": "anger", "JE_su03": "surprise"}
    assert [clip.speaker for clip in load_clips("savee", tmp_path, "train")] == ["DC", "JE"]
    assert [clip.speaker for clip in load_clips("savee", tmp_path, "dev")] == ["KL"]
    assert [clip.speaker for clip in load_clips("tess", tmp_path, "dev")] == ["YAF"]


def test_a_folder_of_held_out_clips_is_read_whole_however_nested_and_encoded(tmp_path: Path) -> None:
    held_out = tmp_path / "held out"
    touch(
        held_out / "Actor_17" / "03-01-05-01-01-01-17.wav",
        held_out / "Actor_21" / "03-01-03-01-01-01-21.FLAC",
        held_out / "03-01-04-01-01-01-22.opus",
        held_out / "._03-01-04-01-01-01-22.opus",
        held_out / "__MACOSX" / "03-01-04-01-01-01-23.opus",
    )
    assert set(labels("ravdess", tmp_path / "elsewhere", str(held_out)).values()) == {"anger", "joy", "sadness"}
    assert len(load_clips("ravdess", tmp_path, "held out")) == 3
    assert len(load_clips("ravdess", held_out, "all")) == 3


def test_a_corpus_or_split_that_is_not_there_is_told(tmp_path: Path) -> None:
    corpora(tmp_path)
    with pytest.raises(AbsentError, match="no sound files named as tess"):
        load_clips("tess", tmp_path, "dev")
    with pytest.raises(AbsentError, match="ravdess has no split 'test': there are train, dev and all"):
        load_clips("ravdess", tmp_path, "test")
    with pytest.raises(AbsentError, match="not found"):
        load_clips("ravdess", tmp_path / "nowhere", "dev")
    with pytest.raises(DatasetError, match="no corpus 'iemocap' here"):
        load_clips("iemocap", tmp_path, "dev")


def test_folders_named_after_emotions_get_their_labels(tmp_path: Path) -> None:
    touch(tmp_path / "Happy" / "deep" / "a.wav", tmp_path / "angry" / "b.mp3", tmp_path / "loose.wav")
    found = load_clips("audiofolder", tmp_path, "all")
    assert found.classes == LABELS
    assert labels("audiofolder", tmp_path) == {"a": "joy", "b": "anger"}
    assert [entry.name for entry in found.skipped] == ["loose.wav"]
    assert [clip.speaker for clip in found] == ["deep", ""]


def test_folders_of_other_names_are_classes_of_their_own_the_same_in_every_split(tmp_path: Path) -> None:
    touch(*(tmp_path / "train" / name / "a.wav" for name in ("yes", "no", "maybe")))
    touch(tmp_path / "dev" / "no" / "a.wav", tmp_path / "other" / "hm" / "a.wav")
    assert load_clips("audiofolder", tmp_path, "train").classes == ("maybe", "no", "yes")
    dev = load_clips("audiofolder", tmp_path, "dev")
    assert [dev.classes[clip.label] for clip in dev] == ["no"]
    assert dev.classes == ("maybe", "no", "yes")
    assert len(load_clips("audiofolder", tmp_path, "all")) == 4
    assert load_clips("audiofolder", tmp_path, str(tmp_path / "other")).classes == ("hm",)
    with pytest.raises(AbsentError, match="has no split 'test': there are train, dev, all"):
        load_clips("audiofolder", tmp_path, "test")


def test_without_folders_for_them_a_tenth_is_dev_and_never_in_train(tmp_path: Path) -> None:
    touch(*(tmp_path / ("joy", "fear")[number % 2] / f"{number}.wav" for number in range(60)))
    train = {clip.path for clip in load_clips("audiofolder", tmp_path, "train")}
    dev = {clip.path for clip in load_clips("audiofolder", tmp_path, "dev")}
    assert len(train) + len(dev) == 60
    assert not train & dev
    assert 2 <= len(dev) <= 12
    with pytest.raises(AbsentError, match="has no split 'test'"):
        load_clips("audiofolder", tmp_path, "test")
