from pathlib import Path

import pytest

from trainer.data.conversation import DatasetError
from trainer.data.people import UNKNOWN, Person, people_of
from trainer.data.speech import SpeechClip


def clip(corpus: str, speaker: str, stem: str = "x") -> SpeechClip:
    return SpeechClip(Path(f"{stem}.opus"), corpus, speaker, 0)


@pytest.mark.parametrize(
    ("corpus", "speaker", "person"),
    [
        ("ravdess", "17", Person("male")),
        ("ravdess", "18", Person("female")),
        ("emodb", "09", Person("female", 21)),
        ("emodb", "99", UNKNOWN),
        ("emovo", "f3", Person("female")),
        ("emovo", "m1", Person("male")),
        ("nemo", "SM0", UNKNOWN),
    ],
)
def test_who_speaks_is_what_the_corpus_tells(corpus: str, speaker: str, person: Person, tmp_path: Path) -> None:
    assert people_of(corpus, tmp_path, [clip(corpus, speaker)]) == [person]


def test_of_a_number_that_stands_with_both_sexes_neither_is_believed(tmp_path: Path) -> None:
    clips = [
        clip("ased", "06", "n1-01-01-02-06"),
        clip("ased", "13", "h3-02-01-01-13"),
        clip("ased", "06", "a5-01-01-01-06"),
    ]
    assert people_of("ased", tmp_path, clips) == [UNKNOWN, Person("female"), UNKNOWN]


@pytest.mark.parametrize("place", ["crema_d", "crema_d_votes"])
def test_crema_d_has_a_table_of_its_actors(place: str, tmp_path: Path) -> None:
    (tmp_path / "crema_d").mkdir()
    (tmp_path / place).mkdir(exist_ok=True)
    table = '"ActorID","Age","Sex","Race"\n1001,51,"Male","-"\n1002,21,"Female","-"\n'
    (tmp_path / place / "VideoDemographics.csv").write_text(table)
    clips = [clip("crema_d", speaker) for speaker in ("1002", "1001", "1003")]
    assert people_of("crema_d", tmp_path, clips) == [Person("female", 21), Person("male", 51), UNKNOWN]


def test_without_the_table_its_actors_are_not_known(tmp_path: Path) -> None:
    assert people_of("crema_d", tmp_path, [clip("crema_d", "1001")]) == [UNKNOWN]


@pytest.mark.parametrize("table", ["ActorID,Sex\n1001,Male\n", "ActorID,Age,Sex\n1001,old,Male\n"])
def test_a_table_that_can_not_be_read_is_named(table: str, tmp_path: Path) -> None:
    (tmp_path / "VideoDemographics.csv").write_text(table)
    with pytest.raises(DatasetError, match=r"VideoDemographics\.csv can't be read as a table of actors"):
        people_of("crema_d", tmp_path, [clip("crema_d", "1001")])
