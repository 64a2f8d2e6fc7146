import numpy as np
import pytest

from models.speaker_baseline import BaselineReference
from stream.dialog.speakers import SpeakerBaselines

REFERENCE = BaselineReference(np.zeros((2, 3), np.float32), np.full(3, 3.0, np.float32))
SURE = np.array([1.0, 0.0], np.float32)


def heard(value: float) -> np.ndarray:
    return np.full(3, value, np.float32)


def test_what_a_speaker_said_is_known_of_that_speaker_alone() -> None:
    known = SpeakerBaselines()
    for _ in range(3):
        known.learn(("a", "Ann"), REFERENCE, heard(2.0), SURE)
    assert known.of(("a", "Ann"), REFERENCE).count == 3
    assert known.of(("a", "Ann"), REFERENCE).offset(REFERENCE) == pytest.approx(heard(1.0))
    for other in (("b", "Ann"), ("a", "Ben")):  # another person, and the same under another name
        assert known.of(other, REFERENCE).count == 0


def test_whoever_was_silent_for_the_longest_is_forgotten() -> None:
    known = SpeakerBaselines(most=2)
    for person in "aba":
        known.learn((person, ""), REFERENCE, heard(1.0), SURE)
    for person in "cdefg":
        known.learn((person, ""), REFERENCE, heard(1.0), SURE)
        known.learn(("a", ""), REFERENCE, heard(1.0), SURE)
        assert len(known) == 2
    assert [known.of((person, ""), REFERENCE).count for person in "abfg"] == [7, 0, 0, 1]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_no_number_does_not_spoil_a_baseline(broken: float) -> None:
    known = SpeakerBaselines()
    known.learn(("a", ""), REFERENCE, heard(1.0), SURE)
    known.learn(("a", ""), REFERENCE, heard(broken), SURE)
    known.learn(("a", ""), REFERENCE, heard(1.0), np.array([broken, 0.0], np.float32))
    assert known.of(("a", ""), REFERENCE).count == 1
