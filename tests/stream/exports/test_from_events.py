import pytest
from exported_dialog import closed, created, emotion, room_of_two

from stream.exports.from_events import conversations, dialog_from_events, shortened
from wire import events


def said(*told: events.Event) -> list[str]:
    return [utterance.text for utterance in dialog_from_events(told, "dialog").utterances]


def test_the_highest_final_revision_counts_whenever_it_was_told() -> None:
    told = [
        emotion(1, 0, revision=0, text="so", final=False),
        emotion(1, 0, revision=2, text="so it is"),
        emotion(1, 0, revision=1, text="so it"),
    ]
    assert said(*told) == ["so it is"]


def test_what_is_not_final_may_be_taken_back_and_does_not_count() -> None:
    assert said(emotion(1, 0, final=False)) == []
    assert said(emotion(1, 0, final=False), events.UtteranceResumed(utterance=1)) == []
    assert said(emotion(1, 0, final=False), events.UtteranceResumed(utterance=1), emotion(1, 0, text="all")) == ["all"]


def test_what_was_discarded_is_not_in_the_dialog() -> None:
    gone = events.UtteranceDiscarded(utterance=1, reason="no words")
    assert said(emotion(1, 0), emotion(2, 2_000, text="kept"), gone) == ["kept"]


def test_one_number_of_two_sessions_is_two_utterances() -> None:
    told = [emotion(0, 0, session="a", text="one"), emotion(0, 0, session="b", text="two")]
    assert said(*told) == ["one", "two"]
    assert said(*told, events.UtteranceDiscarded(session="b", utterance=0, reason="no words")) == ["one"]


def test_a_room_has_one_dialog_in_its_own_time() -> None:
    dialog = dialog_from_events(room_of_two(), "standup")
    assert [(one.id, one.speaker, one.start_ms, one.end_ms) for one in dialog.utterances] == [
        (0, "Ann", 1_000, 2_000),
        (1, "Ben", 15_000, 16_000),
        (2, "Ann", 20_000, 21_000),
    ]
    assert dialog.duration_ms == 21_000


def test_a_dialog_lasts_until_the_last_of_its_sessions_has_ended() -> None:
    told = [*room_of_two(), closed("a", 21_000, "standup"), closed("b", 25_000, "standup")]
    assert dialog_from_events(told, "standup").duration_ms == 35_000


def test_a_clock_that_was_corrected_places_nothing_before_the_beginning() -> None:
    (one,) = dialog_from_events([emotion(0, 0, session="a", room="r", room_start_ms=-30)], "r").utterances
    assert (one.start_ms, one.end_ms) == (0, 1_000)


def test_faces_of_two_sessions_are_not_taken_for_one_and_say_whose_they_are() -> None:
    told = [*room_of_two()]
    for session, time_ms in (("a", 500), ("b", 700), ("a", 900)):
        face = events.FaceBox(id=1, box=(0, 0, 9, 9), expression={})
        told.append(events.Faces(room="standup", session=session, time_ms=time_ms, width=64, height=48, faces=[face]))
    frames = dialog_from_events(told, "standup").faces
    assert [(frame.time_ms, frame.participant, frame.faces[0].id) for frame in frames] == [
        (500, "Ann", 1),
        (900, "Ann", 1),
        (10_700, "Ben", 2),
    ]


def test_a_name_that_was_set_later_holds() -> None:
    told = [created("a", "Speaker 1"), events.SessionUpdated(session="a", speaker="Ann", settings={})]
    faces = events.Faces(session="a", time_ms=0, width=64, height=48, faces=[])
    assert dialog_from_events([*told, faces], "a").faces[0].participant == "Ann"


def test_warnings_and_errors_are_kept() -> None:
    told = [
        events.Warning(code="faces.failed", message="a frame could not be analyzed"),
        events.Error(code="internal", message="it broke", fatal=True),
    ]
    assert [warning.code for warning in dialog_from_events(told, "x").warnings] == ["faces.failed", "internal"]


def test_rooms_and_sessions_in_none_are_conversations_of_their_own() -> None:
    dropped = events.Warning(code="watcher.dropped", message="3 events were dropped")
    alone = emotion(0, 0, session="c")
    found = conversations([*room_of_two(), alone, dropped])
    assert found == {"standup": [*room_of_two(), dropped], "c": [alone, dropped]}


@pytest.mark.parametrize("forgotten", [0, 7])
def test_what_the_server_has_forgotten_is_said(forgotten: int) -> None:
    warnings = shortened(dialog_from_events([], "x"), forgotten).warnings
    assert [warning.message.split()[0] for warning in warnings] == ([str(forgotten)] if forgotten else [])
