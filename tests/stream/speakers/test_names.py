"""What speakers are called."""

from stream.speakers.names import SpeakerNames


def test_one_alone_is_called_as_the_participant() -> None:
    assert SpeakerNames("Ana", {}).name(3, alone=True) == "Ana"


def test_several_have_letters_in_the_order_in_which_they_are_named() -> None:
    names = SpeakerNames("Ana", {})
    assert [names.name(number, alone=False) for number in (4, 1, 4)] == ["Ana · A", "Ana · B", "Ana · A"]


def test_whoever_gave_no_name_lends_none() -> None:
    for participant in ("Speaker", "Speaker 12"):
        names = SpeakerNames(participant, {})
        assert [names.name(number, alone=False) for number in (0, 1)] == ["Speaker A", "Speaker B"]
    assert SpeakerNames("Speakers' corner", {}).name(0, alone=False) == "Speakers' corner · A"


def test_who_is_enrolled_has_that_name_and_takes_no_letter() -> None:
    names = SpeakerNames("Ana", {0: "Ben"})
    assert names.name(0, alone=True) == "Ben"
    assert names.name(1, alone=False) == "Ana · A"


def test_there_is_a_name_for_however_many() -> None:
    names = SpeakerNames("Ana", {})
    assert len({names.name(number, alone=False) for number in range(60)}) == 60
