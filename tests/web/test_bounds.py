"""What the pages keep does not grow with who comes and goes, however long they stay open."""

from typing import Any

import pytest
from conftest import run_module
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# A session of somebody new who says one thing and leaves; `at`: the time in the room.
LIVES = """
    const emotion = (session, room, at, more = {}) => ({
        type: "emotion", session, room, utterance: 0, revision: 0, final: true, speaker: session, text: "so",
        start_ms: 0, end_ms: 2000, room_start_ms: at, label: "joy", probabilities: { joy: 1 }, modalities: [],
        latency: null, ...more,
    });
    const begin = (session, room, number) => [
        { type: "session.created", session, room, number, speaker: session, engine: "", bundle: "" },
        ...(room ? [{ type: "participant.joined", session, room, name: session, number }] : []),
    ];
    const finish = (session, room) => [
        ...(room ? [{ type: "participant.left", session, room, name: session }] : []),
        { type: "session.closed", session, room, reason: "client", totals: null },
    ];
    const life = (session, room, number, at) =>
        [...begin(session, room, number), emotion(session, room, at), ...finish(session, room)];
"""

STORE = (
    LIVES
    + """
    const store = new m.Store();
    const take = (events) => events.map((event) => store.apply(event));
"""
)

OVERLAY = (
    LIVES
    + """
    const state = new m.OverlayState({ fade: 0, name: "" });
    const take = (events, now) => events.map((event) => state.apply(event, now));
"""
)


def test_store_keeps_as_much_after_thousands_as_after_hundreds(modules: Page) -> None:
    body = """
        const sizes = () => {
            const dialogs = [...store.dialogs.values()];
            const sum = (what) => dialogs.reduce((total, dialog) => total + dialog[what].size, 0);
            return [store.sessions.size, dialogs.length, sum("utterances"), sum("participants")];
        };
        const found = [];
        for (let i = 0; i < 6000; i += 1) {
            take(life(`in one room ${i}`, "R", i, i * 3000));
            take(life(`in none ${i}`, "", i, 0));
            take(life(`in its own ${i}`, `room ${i}`, i, 0));
            if (i % 2000 === 1999) found.push([...sizes(), store.room("R").forgotten.size]);
        }
        return found;
    """
    first, *later = run_module(modules, "store.js", STORE + body)
    assert later == [first] * 2
    assert max(first[:2]) <= 64


def test_sessions_whose_end_was_never_told_are_bounded_too(modules: Page) -> None:
    body = """
        for (let i = 0; i < 2000; i += 1) take(begin(`s${i}`, "R", i));
        return [store.sessions.size, store.room("R").participants.size, store.sessions.has("s1999")];
    """
    assert run_module(modules, "store.js", STORE + body) == [512, 512, True]


def test_what_is_live_is_kept_while_others_come_and_go(modules: Page) -> None:
    body = """
        const live = Array.from({ length: 100 }, (_, i) => `live ${i}`);
        for (const session of live) take(begin(session, "R", 1));
        for (let i = 0; i < 500; i += 1) take(life(`s${i}`, "R", i, i * 3000));
        const { participants } = store.room("R");
        return live.every((session) => store.sessions.get(session)?.open && participants.get(session)?.here);
    """
    assert run_module(modules, "store.js", STORE + body)


def test_room_that_is_shown_stays_the_same_while_nobody_is_in_it(modules: Page) -> None:
    body = """
        const dialog = store.room("R");
        const state = { type: "room.state", room: "R", session: "", resumed: true, recording: false, now_ms: 0 };
        for (let i = 0; i < 100; i += 1) {
            take([{ ...state, participants: [] }]);
            take(life(`s${i}`, `room ${i}`, i, 0));
        }
        return store.room("R") === dialog;
    """
    assert run_module(modules, "store.js", STORE + body)


@pytest.mark.parametrize("room", ["", "R"])
@pytest.mark.parametrize("late", ["emotion", "session.updated", "session.closed", "faces", "clock.offset"])
def test_late_event_of_a_forgotten_session_does_not_make_it_live(modules: Page, room: str, late: str) -> None:
    body = """
        for (let i = 0; i < 100; i += 1) take(life(`s${i}`, x.room, i, i * 3000));
        const before = [...store.sessions.keys()];
        const more = { type: x.late, revision: 1, label: "anger", time_ms: 0, faces: [], offset_ms: 0 };
        const [{ session }] = take([emotion("s0", x.room, 0, more)]);
        return [store.sessions.has("s0"), session?.open ?? false, before.length === store.sessions.size];
    """
    assert run_module(modules, "store.js", STORE + body, {"room": room, "late": late}) == [False, False, True]


def test_utterance_of_a_forgotten_session_is_still_revised(modules: Page) -> None:
    body = """
        for (let i = 0; i < 100; i += 1) take(life(`s${i}`, "R", i, i * 3000));
        const [{ utterances }] = take([emotion("s0", "R", 0, { revision: 1, label: "anger" })]);
        return utterances.map(({ label, was }) => [label, was]);
    """
    assert run_module(modules, "store.js", STORE + body) == [["anger", "joy"]]


def test_session_that_was_only_heard_of_is_not_live_until_it_is_created(modules: Page) -> None:
    body = """
        take([emotion("s", "R", 0)]);
        const before = store.sessions.get("s").open;
        take(begin("s", "R", 1));
        return [before, store.sessions.get("s").open];
    """
    assert run_module(modules, "store.js", STORE + body) == [False, True]


def test_revisions_of_a_forgotten_utterance_count_once(modules: Page) -> None:
    body = """
        for (let i = 0; i < 303; i += 1) take(life(`s${i}`, "R", i, i * 3000));
        const changes = [1, 2, 3].flatMap((revision) => take([emotion("s0", "R", 0, { revision })]));
        return [store.room("R").removed, changes.flatMap(({ utterances }) => utterances).length];
    """
    assert run_module(modules, "store.js", STORE + body) == [3, 0]


def test_overlay_keeps_no_more_of_thousands_than_of_some(modules: Page) -> None:
    body = """
        return [100, 3000].map((count) => {
            for (let i = 0; i < count; i += 1) take(life(`${count} ${i}`, "R", i, i), 1000);
            return state.cards(1000).length;
        });
    """
    assert run_module(modules, "overlay-state.js", OVERLAY + body) == [32, 32]


def test_overlay_shows_nothing_late_of_a_session_that_has_ended(modules: Page) -> None:
    body = """
        for (let i = 0; i < 100; i += 1) take(life(`s${i}`, "R", i, i), 1000);
        take([emotion("s0", "R", 0, { revision: 1 })], 60_000);
        return state.cards(60_000).length;
    """
    assert run_module(modules, "overlay-state.js", OVERLAY + body) == 0


ROOM_STATE = """
    const here = (session, isHere) => ({ session, name: session, number: 1, here: isHere });
    const roomState = (resumed, participants) => ({
        type: "room.state", room: "R", session: "", resumed, recording: false, now_ms: 60_000, participants,
    });
    const face = { id: 1, box: [0, 0, 9, 9], expression: { joy: 1 } };
    const faces = (session) => ({ type: "faces", session, room: "R", time_ms: 0, width: 9, height: 9, faces: [face] });
"""


def test_overlay_shows_faces_again_after_the_connection_was_resumed(modules: Page) -> None:
    body = """
        take([roomState(false, []), ...begin("a", "R", 1), ...begin("b", "R", 2), faces("a")], 0);
        state.disconnected(1000);
        const lost = state.faces(1000);
        state.connected(2000);
        take([roomState(true, [here("a", true), here("b", false)]), faces("a")], 2000);
        const seen = state.faces(2000);
        take([emotion("b", "R", 59_000)], 2000);
        return [lost, seen?.faces.length, state.cards(12_000).length];
    """
    assert run_module(modules, "overlay-state.js", OVERLAY + ROOM_STATE + body) == [None, 1, 0]


def test_overlay_that_comes_late_shows_none_of_those_who_left(modules: Page) -> None:
    # Of the oldest sessions the server remembers what was said, and no more that they were created and closed.
    body = """
        take([roomState(false, [here("a", false)]), emotion("a", "R", 1_000)], 0);
        return state.cards(0).length;
    """
    assert run_module(modules, "overlay-state.js", OVERLAY + ROOM_STATE + body) == 0


VIEWS = (
    LIVES
    + """
    const load = (name) => import(`/web/${name}.js`);
    const html = await (await fetch(x.page)).text();
    const page = new DOMParser().parseFromString(html, "text/html");
    const root = (id) => document.adoptNode(page.getElementById(id));
    const modules = ["store", "rows", "captions", "tiles"];
    const [{ Store }, { Rows }, { Captions }, { Tiles }] = await Promise.all(modules.map(load));
    const { showUtterances } = await load("views");
    const [strip, list, captions, tiles, template] = ["timeline", "dialog", "captions", "tiles", "tile"].map(root);
    const store = new Store();
    const timeline = new m.Timeline(strip, () => {});
    const width = () => strip.querySelector(".strip").parentElement.style.minWidth;
    const views = [new Rows(list), new Captions(captions), timeline];
    const everyone = new Tiles(tiles, template);
    const show = (event) => {
        const change = store.apply(event);
        showUtterances(change, views);
        timeline.reach(change.dialog.lastMs);
        everyone.show(change.dialog, null);
    };
"""
)


def kept_by_views(modules: Page, step_ms: int) -> Any:  # noqa: ANN401 - any JSON
    body = """
        const nodes = () => [strip, list, captions, tiles].map((each) => each.querySelectorAll("*").length);
        const found = [];
        for (let i = 0; i < 800; i += 1) {
            life(`s${i}`, "R", i, i * x.step).forEach(show);
            if (i % 400 === 399) found.push([nodes(), strip.querySelectorAll(".lane").length, width()]);
        }
        return found;
    """
    return run_module(modules, "timeline.js", VIEWS + body, {"page": "/call", "step": step_ms})


@pytest.mark.parametrize(("step_ms", "lanes"), [(3_000, 300), (60_000, 30)])
def test_views_hold_as_much_after_hours_as_after_minutes(modules: Page, step_ms: int, lanes: int) -> None:
    first, *later = kept_by_views(modules, step_ms)
    for nodes, shown, width in later:
        assert nodes == pytest.approx(first[0], abs=20)  # ticks at the ends of the strip
        assert shown == pytest.approx(lanes, abs=1)
        assert float(width.removesuffix("px")) <= 15_000


def test_strip_of_a_long_silence_is_no_longer_than_that_of_a_talk(modules: Page) -> None:
    body = """
        timeline.render(null);
        for (let minute = 0; minute < 6000; minute += 1) timeline.reach(minute * 60_000);
        return [width(), strip.querySelectorAll(".ticks span").length];
    """
    width, ticks = run_module(modules, "timeline.js", VIEWS + body, {"page": "/call"})
    assert float(width.removesuffix("px")) <= 15_000
    assert ticks <= 60


def test_forgotten_ids_are_bounded(modules: Page) -> None:
    body = """
        const forgotten = new m.Forgotten();
        for (let i = 0; i < 5000; i += 1) forgotten.add([i]);
        return [forgotten.size === m.FORGOTTEN_LIMIT, forgotten.has(4999), forgotten.has(0)];
    """
    assert run_module(modules, "bounded.js", body) == [True, True, False]
