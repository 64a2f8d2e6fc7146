from pathlib import Path

import cv2
import numpy as np
import pytest

from models.labels import LABEL_INDEX, LABELS
from trainer.data.conversation import AbsentError, DatasetError
from trainer.data.faces import FaceSet, joined
from trainer.data.registry import load_faces

PIXELS = " ".join(["7"] * 2304)


def archive(path: Path, classes: list[str], labels: list[int], shape: tuple[int, ...] = (48, 48)) -> Path:
    pixels = np.zeros((len(labels), *shape), np.uint8)
    np.savez(path, pixels=pixels, label=np.array(labels, np.int8), classes=np.array(classes))
    return path


def image(path: Path, height: int, width: int, value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))


def fer2013_csv(folder: Path, *rows: str) -> Path:
    (folder / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(f"{row}\n" for row in rows))
    return folder


def test_fer2013_classes_are_mapped_by_name_not_by_position(tmp_path: Path) -> None:
    archive(tmp_path / "dev.npz", ["happy", "angry"], [0, 1])
    expected = [LABEL_INDEX["joy"], LABEL_INDEX["anger"]]
    assert load_faces("fer2013", tmp_path, "dev").labels.tolist() == expected
    assert load_faces("fer2013", tmp_path / "nowhere", str(tmp_path / "dev.npz")).labels.tolist() == expected


def test_the_folder_that_holds_fer2013_will_do(tmp_path: Path) -> None:
    (tmp_path / "fer2013").mkdir()
    archive(tmp_path / "fer2013" / "dev.npz", ["sad"], [0])
    assert load_faces("fer2013", tmp_path, "dev").labels.tolist() == [LABEL_INDEX["sadness"]]


@pytest.mark.parametrize(
    ("classes", "labels", "shape", "what"),
    [
        (["contempt"], [0], (48, 48), "unknown class 'contempt'"),
        (["sad"], [1], (48, 48), "labels from 1 to 1, but 1 classes"),
        (["sad"], [0], (32, 48), r"pixels of the shape \(1, 32, 48\)"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told(
    tmp_path: Path, classes: list[str], labels: list[int], shape: tuple[int, int], what: str
) -> None:
    archive(tmp_path / "dev.npz", classes, labels, shape)
    with pytest.raises(DatasetError, match=what):
        load_faces("fer2013", tmp_path, "dev")


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "dev.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(DatasetError, match=r"dev\.npz: not an archive of pixels"):
        load_faces("fer2013", tmp_path, "dev")
    np.savez(tmp_path / "dev.npz", pixels=np.zeros((1, 48, 48)))
    with pytest.raises(DatasetError, match="not an archive of pixels, label and classes"):
        load_faces("fer2013", tmp_path, "dev")


NAMES = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


def voted(path: Path, votes: list[list[int]], matched: list[bool]) -> Path:
    """Write faces that are labelled sad, with votes."""
    np.savez(
        path,
        pixels=np.arange(len(votes), dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2),
        label=np.zeros(len(votes), np.int8),
        classes=np.array(["sad"]),
        votes=np.array(votes, np.int8),
        vote_names=np.array(NAMES),
        matched=np.array(matched),
    )
    return path


def test_votes_are_shares_of_all_that_voted_and_faces_without_any_are_left_out(tmp_path: Path) -> None:
    votes = [[6, 0, 0, 2, 0, 0, 0, 2, 0, 0], [0] * 10, [0, 0, 0, 0, 0, 0, 0, 0, 3, 7]]
    voted(tmp_path / "dev.npz", votes, [True, False, True])
    found = load_faces("fer2013", tmp_path, "dev")
    assert found.pixels[:, 0, 0].tolist() == [0, 2]
    assert [(one.name, "no votes" in one.why) for one in found.skipped] == [("row 1 of dev.npz", True)]
    neutral, sadness = LABEL_INDEX["neutral"], LABEL_INDEX["sadness"]
    expected = np.zeros((2, 7))
    expected[0, [neutral, sadness]] = 0.6, 0.2
    assert found.votes == pytest.approx(expected)


def test_what_is_learned_is_partly_the_label_and_partly_the_votes(tmp_path: Path) -> None:
    voted(tmp_path / "dev.npz", [[6, 0, 0, 2, 0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 3, 7]], [True, True])
    found = load_faces("fer2013", tmp_path, "dev")
    neutral, sadness = LABEL_INDEX["neutral"], LABEL_INDEX["sadness"]
    mixed = found.targets(0.25)
    assert mixed[0, [neutral, sadness]] == pytest.approx([0.45 / 0.85, 0.4 / 0.85])
    assert mixed[1, sadness] == 1, "who votes for none of the seven says nothing against the label"
    assert mixed.sum(axis=1) == pytest.approx([1, 1])
    assert found.targets(0)[1, sadness] == 1
    assert found.targets(1)[:, sadness] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"votes": np.zeros((1, 3))}, r"votes must have the shape \(1, 10\)"),
        ({"matched": None}, r"matched must have the shape \(1,\), one row for each face, not nothing"),
        ({"vote_names": None}, "vote_names"),
    ],
)
def test_votes_that_do_not_fit_are_told(tmp_path: Path, changed: dict[str, np.ndarray | None], what: str) -> None:
    path = voted(tmp_path / "dev.npz", [[10, *[0] * 9]], [True])
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changed
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DatasetError, match=what):
        load_faces("fer2013", tmp_path, "dev")


def press(path: Path, classes: list[str], labels: list[int], persons: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
    arrays = {"pixels": pixels, "label": np.array(labels), "classes": np.array(classes), "person": np.array(persons)}
    np.savez(path, **arrays)
    return path


def test_press_faces_are_split_by_person_and_contempt_is_left_out(tmp_path: Path) -> None:
    path = press(tmp_path / "faces_press" / "train.npz", ["joy", "contempt"], [0, 0, 1, 0, 0], [1, 5, 2, 10, 5])
    train, dev = (load_faces("faces_press", tmp_path, split) for split in ("train", "dev"))
    assert train.pixels[:, 0, 0].tolist() == [0]
    assert dev.pixels[:, 0, 0].tolist() == [1, 3, 4], "persons 5 and 10, one in five, are held out"
    assert [one.name for one in train.skipped] == ["row 2 of train.npz"]
    assert "contempt" in train.skipped[0].why
    assert dev.labels.tolist() == [LABEL_INDEX["joy"]] * 3
    for whole in ("all", str(path)):
        assert len(load_faces("faces_press", tmp_path, whole).labels) == 4


def test_press_faces_that_are_missing_or_have_no_persons_are_told(tmp_path: Path) -> None:
    for split in ("train", "elsewhere.npz"):
        with pytest.raises(AbsentError, match="no press faces"):
            load_faces("faces_press", tmp_path, split)
    archive(tmp_path / "train.npz", ["joy"], [0])
    with pytest.raises(DatasetError, match="person must have the shape"):
        load_faces("faces_press", tmp_path, "train")


def test_faces_of_several_corpora_are_one_set_that_knows_them(tmp_path: Path) -> None:
    voted(tmp_path / "dev.npz", [[10, *[0] * 9]], [True])
    fer = load_faces("fer2013", tmp_path, "dev")
    other = load_faces("faces_press", tmp_path, str(press(tmp_path / "press.npz", ["joy"], [0, 0], [1, 2])))
    both = joined({"fer2013": fer, "faces_press": other})
    assert both.corpora == ("fer2013", "faces_press", "faces_press")
    assert both.of_corpus("faces_press").tolist() == [1, 2]
    assert both.shares().sum(axis=1).tolist() == [1, 0, 0]
    assert both.of(np.array([2, 0])).corpora == ("faces_press", "fer2013")
    assert joined({"faces_press": other}).votes is None
    people = FaceSet(other.pixels, other.labels, ("ann",))
    with pytest.raises(DatasetError, match=r"faces\.datasets=fer2013,imagefolder: they have different labels"):
        joined({"fer2013": fer, "imagefolder": people})


def test_the_official_csv_is_split_by_its_usage(tmp_path: Path) -> None:
    fer2013_csv(tmp_path, f"3,{PIXELS},Training", f"6,{PIXELS},PublicTest", f"0,{PIXELS},PrivateTest")
    for split, label in (("train", "joy"), ("dev", "neutral"), ("test", "anger")):
        found = load_faces("fer2013", tmp_path, split)
        assert found.labels.tolist() == [LABEL_INDEX[label]]
        assert (found.pixels.shape, found.pixels.max()) == ((1, 48, 48), 7)
    assert len(load_faces("fer2013", tmp_path, str(tmp_path / "fer2013.csv")).labels) == 3


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (f"7,{PIXELS},Training", "emotion must be from 0 to 6, not 7"),
        ("3,1 2 3,Training", "pixels must be 48 x 48"),
        (f"3,{PIXELS.replace('7', '300', 1)},Training", "pixels must be 48 x 48"),
    ],
)
def test_a_wrong_row_of_the_csv_names_file_and_line(tmp_path: Path, row: str, what: str) -> None:
    fer2013_csv(tmp_path, f"3,{PIXELS},Training", row)
    with pytest.raises(DatasetError, match=rf"fer2013\.csv:3: {what}"):
        load_faces("fer2013", tmp_path, "train")


def test_a_split_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match="FER2013's test split not found"):
        load_faces("fer2013", tmp_path, "test")
    with pytest.raises(AbsentError, match="no faces with the Usage PrivateTest"):
        load_faces("fer2013", fer2013_csv(tmp_path, f"3,{PIXELS},Training"), "test")
    with pytest.raises(DatasetError, match="no corpus 'meld' here"):
        load_faces("meld", tmp_path, "dev")


def test_folders_of_expressions_are_the_seven_and_images_become_grey_squares(tmp_path: Path) -> None:
    image(tmp_path / "happy" / "wide.png", 60, 100)
    image(tmp_path / "angry" / "small.jpg", 20, 20)
    (tmp_path / "angry" / "broken.png").write_bytes(b"no image")
    found = load_faces("imagefolder", tmp_path, "all")
    assert found.classes == LABELS
    assert found.labels.tolist() == [LABEL_INDEX["anger"], LABEL_INDEX["joy"]]
    assert (found.pixels.shape, found.pixels.dtype) == ((2, 48, 48), np.uint8)
    assert (found.pixels[1] == 100).all()
    assert [(entry.name, entry.why) for entry in found.skipped] == [("broken.png", "it can't be read as an image")]


def test_folders_of_identities_are_classes_of_their_own(tmp_path: Path) -> None:
    for identity in ("0000045", "0000099"):
        for number in range(3):
            image(tmp_path / identity / f"{number:03d}.jpg", 48, 48)
    found = load_faces("imagefolder", tmp_path, "all")
    assert found.classes == ("0000045", "0000099")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_images_that_all_are_broken_and_folders_without_any_are_told(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match="no files in folders of labels"):
        load_faces("imagefolder", tmp_path, "all")
    (tmp_path / "joy").mkdir()
    (tmp_path / "joy" / "a.png").touch()
    with pytest.raises(DatasetError, match="none of the 1 images"):
        load_faces("imagefolder", tmp_path, "all")
