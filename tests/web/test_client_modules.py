"""The pure parts of the client and the call page, run in the browser: rooms, resuming, frames that adapt."""

from typing import Any

import pytest
from conftest import emotion, partial, run_module, started
from playwright.sync_api import Page

from wire import events

pytestmark = pytest.mark.browser

Message = dict[str, Any]


def told(event: events.EventBase, session: str, seq: int = 1, **more: object) -> Message:
    return event.model_dump(mode="json") | {"room": "R", "session": session, "seq": seq} | more


def room_state(*, resumed: bool, seq: int = 0, **more: object) -> Message:
    state = events.RoomState(instance="i1", resumed=resumed, now_ms=0, recording=False, participants=[])
    return told(state, "", seq, **more)


PLACE = "const p = new m.RoomPlace(); const lost = x.map((event) => p.take(event)); return [lost, p.query]"


@pytest.mark.parametrize(
    ("messages", "lost", "query"),
    [
        ([], [], {}),
        ([room_state(resumed=False, seq=0)], [0], {"instance": "i1", "since": "0"}),
        # The snapshot may be half here: only what comes behind it says that it is whole.
        ([room_state(resumed=False, seq=7), {"seq": 2}, {"seq": 5}], [0, 0, 0], {}),
        ([room_state(resumed=False, seq=7), {"seq": 2}, {"seq": 8}], [0, 0, 0], {"instance": "i1", "since": "8"}),
        ([room_state(resumed=False, seq=7), {"seq": 8}, {"seq": 11}], [0, 0, 2], {"instance": "i1", "since": "11"}),
        ([room_state(resumed=False, seq=7), {"seq": 8}, {"seq": 0}], [0, 0, 0], {"instance": "i1", "since": "8"}),
    ],
)
def test_client_knows_its_place_and_what_was_lost(
    modules: Page, messages: list[Message], lost: list[int], query: Message
) -> None:
    assert run_module(modules, "client.js", PLACE, messages) == [lost, query]


def test_what_was_missed_is_no_gap_after_resuming(modules: Page) -> None:
    before = [room_state(resumed=False, seq=0), {"seq": 1}, {"seq": 2}]
    after = [room_state(resumed=True, seq=9), {"seq": 3}, {"seq": 4}, {"seq": 6}]
    lost, query = run_module(modules, "client.js", PLACE, before + after)
    assert lost == [0, 0, 0, 0, 0, 0, 1]
    assert query == {"instance": "i1", "since": "6"}


def test_another_life_of_the_room_is_begun_anew(modules: Page) -> None:
    messages = [room_state(resumed=False, seq=0), {"seq": 40}, room_state(resumed=False, seq=0, instance="i2")]
    assert run_module(modules, "client.js", PLACE, messages)[1] == {"instance": "i2", "since": "0"}


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("http://localhost:1", "ws://localhost:1/v1/events?room=a+b%26c"),
        ("https://h", "wss://h/v1/events?room=a+b%26c"),
        ("https://h/emo", "wss://h/emo/v1/events?room=a+b%26c"),
        ("wss://h/tools/emo/?x=1#y", "wss://h/tools/emo/v1/events?room=a+b%26c"),
    ],
)
def test_addresses_hold_any_name(modules: Page, server: str, expected: str) -> None:
    body = "return m.socketAddress(x, '/v1/events', { room: 'a b&c', media: '' })"
    assert run_module(modules, "client.js", body, server) == expected


FRAMES = """
    let state = m.START;
    return x.map(([nowMs, waitingBytes]) => {
        const { state: next, frame } = m.nextFrame(state, { nowMs, waitingBytes });
        state = next;
        return [state.level, frame && frame.width];
    });
"""


def frames(modules: Page, waiting: list[int], step_ms: int = 62) -> list[list[int | None]]:
    steps = [[step_ms * (n + 1), bytes_] for n, bytes_ in enumerate(waiting)]
    found: list[list[int | None]] = run_module(modules, "adapt.js", FRAMES, steps)
    return found


def test_good_network_gets_eight_good_frames_a_second(modules: Page) -> None:
    shown = frames(modules, [0] * 32)
    assert {level for level, _ in shown} == {0}
    assert sum(width is not None for _, width in shown) == 16


def test_no_frame_while_another_is_on_its_way(modules: Page) -> None:
    assert all(width is None for _, width in frames(modules, [50_000] * 100))


def test_slow_network_gets_less_until_it_gets_the_least(modules: Page) -> None:
    levels = [level for level, _ in frames(modules, [50_000] * 400)]
    assert levels == sorted(levels)
    assert levels[-1] == 5


def test_one_slow_frame_changes_nothing(modules: Page) -> None:
    assert {level for level, _ in frames(modules, ([50_000] + [0] * 9) * 40)} == {0}


def test_network_that_gets_better_gets_more_again(modules: Page) -> None:
    levels = [level for level, _ in frames(modules, [50_000] * 8 + [0] * 1000)]
    assert max(level or 0 for level in levels) >= 1
    assert levels[-1] == 0


def test_level_tried_in_vain_is_tried_less_often(modules: Page) -> None:
    # Level 1 goes through, level 0 never does.
    body = """
        let state = m.START;
        const rises = [];
        for (let nowMs = 0; nowMs < 300_000; nowMs += 62) {
            const before = state.level;
            state = m.nextFrame(state, { nowMs, waitingBytes: before === 0 ? 50_000 : 0 }).state;
            if (state.level < before) rises.push(nowMs);
        }
        return rises.map((at, i) => at - (rises[i - 1] ?? 0));
    """
    waits = run_module(modules, "adapt.js", body)
    assert waits == sorted(waits)
    assert waits[-1] > 30_000


STORE = """
    const store = new m.Store();
    const changes = x.map((event) => store.apply(event));
    const { utterances, participants, recording, lastMs } = store.room("R");
    return {
        said: [...utterances.values()].map(({ speaker, text, label, was, startMs, endMs, status }) =>
            ({ speaker, text, label, was, startMs, endMs, status })),
        people: [...participants.values()],
        removed: changes.flatMap(({ removed }) => removed),
        sessions: store.sessions.size, recording, lastMs,
    };
"""


def said(utterance: int, room_start_ms: int, session: str, **changes: object) -> Message:
    return told(emotion(utterance, room_start_ms=room_start_ms, **changes), session)  # type: ignore[arg-type] # fields


def store_of(modules: Page, *messages: Message) -> Any:  # noqa: ANN401 - any JSON
    return run_module(modules, "store.js", STORE, list(messages))


def test_room_has_one_dialog_in_the_order_of_its_time(modules: Page) -> None:
    state = store_of(
        modules,
        said(0, 9_000, "a", speaker="Ana", text="third"),
        said(0, 2_000, "b", speaker="Ben", text="first"),
        said(1, 5_000, "b", speaker="Ben", text="second"),
    )
    assert [each["text"] for each in state["said"]] == ["first", "second", "third"]
    assert [each["endMs"] - each["startMs"] for each in state["said"]] == [2_000] * 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_those_who_begin_at_once_are_in_the_same_order_everywhere(modules: Page, order: tuple[int, ...]) -> None:
    messages = [said(0, 1_000, "a", text="1"), said(0, 1_000, "b", text="2"), said(1, 1_000, "b", text="3")]
    state = store_of(modules, *(messages[i] for i in order))
    assert [each["text"] for each in state["said"]] == ["1", "2", "3"]


def test_corrected_start_moves_an_utterance(modules: Page) -> None:
    state = store_of(
        modules,
        said(0, 1_000, "a", text="x"),
        said(0, 2_000, "b", text="y"),
        said(0, 3_000, "a", text="x", revision=1),
    )
    assert [each["text"] for each in state["said"]] == ["y", "x"]


def test_one_speakers_next_utterance_does_not_end_anothers(modules: Page) -> None:
    state = store_of(
        modules,
        told(started(0), "a", room_start_ms=0),
        told(started(0), "b", room_start_ms=100),
        told(started(1), "b", room_start_ms=500),
    )
    assert [each["status"] for each in state["said"]] == ["speaking", "waiting", "speaking"]


def test_revision_tells_what_it_was_before(modules: Page) -> None:
    early = said(0, 0, "a", label="joy", final=False)
    state = store_of(
        modules, early, said(0, 0, "a", label="anger", revision=1), said(0, 0, "a", label="anger", revision=2)
    )
    assert (state["said"][0]["label"], state["said"][0]["was"]) == ("anger", "joy")


def test_what_is_told_while_one_speaks_counts_for_nothing(modules: Page) -> None:
    so_far = said(0, 0, "a", label="joy", text="so", final=False, speaking=True)
    words = told(partial(0, "so it"), "a")
    again = said(0, 0, "a", label="fear", text="so", final=False, speaking=True, revision=1)
    state = store_of(modules, so_far, words, again)["said"][0]
    assert (state["label"], state["text"], state["status"], state["was"]) == ("fear", "so it", "speaking", None)
    ended = store_of(modules, so_far, words, again, said(0, 0, "a", label="anger", text="so it is", revision=2))[
        "said"
    ][0]
    assert (ended["label"], ended["text"], ended["status"], ended["was"]) == ("anger", "so it is", "final", None)


def test_snapshot_replaces_what_was_known_and_resuming_keeps_it(modules: Page) -> None:
    people = [{"name": "Ben", "session": "b", "number": 2, "here": True}]
    before = said(0, 0, "a", text="before")
    kept = store_of(modules, before, room_state(resumed=True, recording=True, participants=people))
    assert [each["text"] for each in kept["said"]] == ["before"]
    assert (kept["recording"], kept["people"], kept["sessions"]) == (True, people, 1)
    fresh = store_of(modules, before, room_state(resumed=False, now_ms=7_000, participants=people))
    assert (fresh["said"], fresh["sessions"], fresh["lastMs"]) == ([], 0, 7_000)


def test_who_came_back_is_not_taken_away_by_the_end_of_the_old_session(modules: Page) -> None:
    joined = events.ParticipantJoined(name="Ana", number=1, returning=False)
    left = events.ParticipantLeft(name="Ana", reason="disconnected")
    back = told(joined, "a2", number=2, returning=True)
    state = store_of(modules, told(joined, "a1"), back, told(left, "a1"))
    assert state["people"] == [{"name": "Ana", "session": "a2", "number": 2, "here": True}]
    state = store_of(modules, told(joined, "a1"), told(left, "a1"))
    assert [each["here"] for each in state["people"]] == [False]


def test_end_of_a_session_takes_only_its_own_open_utterances(modules: Page) -> None:
    closed = told(events.SessionClosed(reason="client", totals=events.Totals()), "a")
    state = store_of(
        modules,
        told(partial(0, "so"), "a"),
        told(partial(0, "and"), "b"),
        said(1, 9_000, "a"),
        closed,
    )
    assert [each["text"] for each in state["said"]] == ["and", "words of 1"]
    assert state["removed"] == ["a 0"]


def test_faces_move_the_rooms_time_by_the_sessions_offset(modules: Page) -> None:
    faces = events.Faces(time_ms=500, width=64, height=48, faces=[])
    offset = events.ClockOffset(offset_ms=60_000)
    assert store_of(modules, told(offset, "a"), told(faces, "a"))["lastMs"] == 60_500


def test_token_leaves_the_address_and_is_remembered(modules: Page) -> None:
    body = """
        history.replaceState(null, "", "/?room=r#token=s3cret%2B&top");
        const tokens = [m.takeToken(), location.href.replace(location.origin, ""), m.takeToken(), m.tokenHeaders("t")];
        sessionStorage.clear();
        return [...tokens, m.takeToken(), m.tokenHeaders("")];
    """
    found = run_module(modules, "token.js", body)
    assert found == ["s3cret+", "/?room=r#top=", "s3cret+", {"Authorization": "Bearer t"}, "", {}]


@pytest.mark.parametrize(
    "code", ["name.taken", "name.invalid", "room.full", "rooms.full", "room.invalid", "auth.required", "auth.failed"]
)
def test_every_refusal_at_the_door_says_what_to_do(modules: Page, code: str) -> None:
    words = run_module(modules, "faults.js", "return m.describeFault({ code: x, message: 'server words' })", code)
    assert words != "server words"
    assert run_module(modules, "faults.js", "return m.FIELD_OF[x]", code) in {"name", "room", "token"}


def test_unknown_refusal_is_told_in_the_servers_words(modules: Page) -> None:
    body = (
        "return [m.describeFault({ code: 'new.code', message: 'server words' }), m.describeFault({ code: 'new.code' })]"
    )
    assert run_module(modules, "faults.js", body) == ["server words", "The server refused this (new.code)."]
