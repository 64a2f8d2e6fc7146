import numpy as np

from models.labels import LABELS
from trainer.data.people import UNKNOWN, Person
from trainer.evaluation.report import over_bundles
from trainer.stages.audio import Sounds
from trainer.starter.subgroups import subgroup_rows, subgroup_text

WOMAN, MAN = Person("female", 50), Person("male", 44)
AFTER = "after 8 utterances"


def heard(labels: list[int], speakers: list[str], corpora: list[str]) -> Sounds:
    return Sounds.of([np.zeros(1, np.float32)] * len(labels), labels, corpora, LABELS, speakers)


def logits(said: list[int]) -> np.ndarray:
    return np.eye(len(LABELS), dtype=np.float32)[said] * 4


def test_each_group_of_a_corpus_has_the_unweighted_accuracy_of_its_clips() -> None:
    sounds = heard([0, 1, 1, 0, 4, 4], ["a", "a", "a", "b", "b", "c"], ["one"] * 5 + ["two"])
    people = [WOMAN, WOMAN, WOMAN, MAN, MAN, UNKNOWN]
    found = {"": logits([0, 1, 0, 0, 4, 4]), AFTER: logits([0, 1, 1, 4, 4, 4])}
    rows = over_bundles([list(subgroup_rows(found, sounds, people))])
    told = {(row.name.network, row.name.view): (row.mean.n, row.mean.unweighted_accuracy) for row in rows}
    assert told == {
        ("audio branch on female speakers (1) of one", ""): (3, 0.75),
        ("audio branch on female speakers (1) of one", AFTER): (3, 1.0),
        ("audio branch on male speakers (1) of one", ""): (2, 1.0),
        ("audio branch on male speakers (1) of one", AFTER): (2, 0.5),
        ("audio branch on speakers 30 to 44 (1) of one", ""): (2, 1.0),
        ("audio branch on speakers 30 to 44 (1) of one", AFTER): (2, 0.5),
        ("audio branch on speakers 45 and older (1) of one", ""): (3, 0.75),
        ("audio branch on speakers 45 and older (1) of one", AFTER): (3, 1.0),
    }
    text = subgroup_text(rows)
    assert "| one | female speakers | 1 | 3 | 75.0 | 100.0 |" in text
    assert "female speakers less male speakers: -25.0 in one points, -25.0 on average." in text


def test_a_branch_without_baselines_has_no_history_to_tell_of() -> None:
    rows = subgroup_rows({"": logits([0])}, heard([0], ["a"], ["one"]), [WOMAN])
    text = subgroup_text(over_bundles([list(rows)]))
    assert "| one | female speakers | 1 | 1 | 100.0 |  |" in text
    assert "less" not in text


def test_where_nothing_is_known_of_speakers_there_is_nothing_to_tell() -> None:
    assert list(subgroup_rows({"": logits([0])}, heard([0], ["a"], ["one"]), [UNKNOWN])) == []
    assert subgroup_text(()) == ""
