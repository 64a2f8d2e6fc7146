import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rooms.topic import KEPT_GONE, Resume, Topic
from wire import events
from wire.events import Event


def joined(name: str) -> Event:
    return events.ParticipantJoined(name=name, number=1, returning=False)


def left(name: str) -> Event:
    return events.ParticipantLeft(name=name, reason="client")


def faces(time_ms: int) -> Event:
    return events.Faces(time_ms=time_ms, width=1, height=1, faces=[])


def here(topic: Topic) -> list[tuple[str, str, bool]]:
    return [(each.name, each.session, each.here) for each in topic.state(resumed=False).participants]


def test_all_sessions_of_a_room_share_its_numbers() -> None:
    topic = Topic("call")
    told = [topic.add(faces(0), session).event for session in ("a", "b", "a")]
    assert [(event.room, event.session, event.seq) for event in told] == [
        ("call", "a", 1), ("call", "b", 2), ("call", "a", 3),
    ]  # fmt: skip


def test_an_event_that_names_its_session_keeps_it() -> None:
    revised = events.UtteranceResumed(session="b", utterance=1)
    assert Topic("call").add(revised, "a").event.session == "b"


def test_who_comes_and_goes_is_known_and_one_who_returns_is_there_once() -> None:
    topic = Topic("call")
    for event, session in ((joined("Ana"), "a"), (joined("Bo"), "b"), (left("Ana"), "a")):
        topic.add(event, session)
    assert here(topic) == [("Bo", "b", True), ("Ana", "a", False)]
    topic.add(joined("Ana"), "c")
    assert here(topic) == [("Bo", "b", True), ("Ana", "c", True)]


def test_of_those_who_left_the_last_are_remembered_and_all_who_are_there() -> None:
    topic = Topic("call")
    topic.add(joined("Ana"), "ana")
    for index in range(3 * KEPT_GONE):
        topic.add(joined(f"Bo {index}"), f"{index}")
        topic.add(left(f"Bo {index}"), f"{index}")
    last = [(f"Bo {index}", f"{index}", False) for index in range(2 * KEPT_GONE, 3 * KEPT_GONE)]
    assert here(topic) == [("Ana", "ana", True), *last]
    assert [topic.knows(name) for name in ("ANA", "bo 191", "Bo 0")] == [True, True, False]


def test_time_may_begin_earlier_and_not_later() -> None:
    topic = Topic("call", clock=lambda: 10.0)
    topic.begin_by(50)
    assert topic.now_ms == 0
    topic.begin_by(-98)
    assert (topic.now_ms, topic.ms_at(11.0)) == (pytest.approx(98), pytest.approx(1_098))


def test_the_state_is_where_the_room_stands_and_tells_the_participant_alone_its_key() -> None:
    now = [10.0]
    topic = Topic("call", clock=lambda: now[0])
    topic.add(joined("Ana"), "a")
    now[0] = 12.5
    (state, *_) = topic.catch_up(None, "a", "secret")
    assert isinstance(state.event, events.RoomState)
    assert (state.event.seq, state.event.now_ms, state.event.session, state.event.key) == (1, 2_500, "a", "secret")
    assert topic.state(resumed=False).key == ""


@given(st.integers(0, 30), st.integers(0, 12), st.integers(0, 40))
def test_who_comes_back_gets_what_was_missed_once_and_in_order_or_a_snapshot(count: int, kept: int, since: int) -> None:
    topic = Topic("call", kept)
    for index in range(count):
        topic.add(faces(index), "a")
    state, *rest = topic.catch_up(Resume(topic.instance, since))
    assert isinstance(state.event, events.RoomState)
    if count - kept <= since <= count:
        assert state.event.resumed
        assert [item.event.seq for item in rest] == list(range(since + 1, count + 1))
    else:
        assert not state.event.resumed
        assert rest == topic.history.replay()


def test_another_life_of_the_room_is_a_snapshot() -> None:
    topic = Topic("call", 8)
    topic.add(faces(0), "a")
    (state, *_) = topic.catch_up(Resume("another", 1))
    assert isinstance(state.event, events.RoomState)
    assert not state.event.resumed
