"""The call page and the events of a room that a test sends it, in a real browser."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import check_accessible, emotion, jpeg, partial, started
from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from models.labels import LABELS
from wire import events
from wire.media import MediaKind, MediaMessage, encode_media

pytestmark = pytest.mark.browser

NO_SCROLL = "document.documentElement.scrollWidth <= window.innerWidth"
NUMBERS = {"own": 1, "ben": 2}


class Room:
    """The server's end of a page at ``/call``: every socket it opened, and what it sent."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.origin = origin
        self.streams: list[WebSocketRoute] = []
        self.watchers: list[WebSocketRoute] = []
        self.messages: list[str | bytes] = []
        self.seq = self.known = 0
        self.recording = False
        self.people: list[events.Participant] = []
        self.page.route_web_socket("**/v1/stream*", self._stream)
        self.page.route_web_socket("**/v1/events*", self._watcher)

    def _stream(self, socket: WebSocketRoute) -> None:
        self.streams.append(socket)
        socket.on_message(self._received)

    def _received(self, message: str | bytes) -> None:
        self.messages.append(message)

    def _watcher(self, socket: WebSocketRoute) -> None:
        self.watchers.append(socket)
        self.state(socket)

    @property
    def socket(self) -> WebSocketRoute:
        return (self.streams or self.watchers)[-1]

    def open(self, address: str = "/call?room=standup") -> None:
        self.page.goto(self.origin + address)

    def state(self, socket: WebSocketRoute | None = None, session: str = "", **more: object) -> None:
        """Tell where the room stands."""
        values: dict[str, Any] = {"instance": "i1", "resumed": False, "now_ms": 0, "recording": self.recording}
        told = events.RoomState.model_validate(
            values | {"participants": self.people, "session": session, "seq": self.seq, "room": "standup"} | more
        )
        (socket or self.socket).send(told.model_dump_json())

    def tell(self, event: events.EventBase, session: str = "ben", **more: object) -> None:
        self.seq += 1
        message = event.model_dump(mode="json") | {"room": "standup", "session": session, "seq": self.seq} | more
        self.socket.send(json.dumps(message))

    def come(self, name: str, session: str) -> None:
        number = NUMBERS.get(session, 9)
        self.tell(events.ParticipantJoined(name=name, number=number, returning=False), session)
        created = events.SessionCreated(number=number, labels=list(LABELS), speaker=name, engine="e", bundle="b")
        self.tell(created, session)

    def say(self, utterance: int, start_ms: int, session: str = "ben", **changes: object) -> None:
        speaker = changes.pop("speaker", "Ana" if session == "own" else "Ben")
        self.tell(emotion(utterance, room_start_ms=start_ms, speaker=speaker, **changes), session)

    def fill(self, name: str = "Ana", *, devices: bool = False) -> None:
        self.page.get_by_label("Your name").fill(name)
        for device in () if devices else ("Camera", "Microphone"):
            self.page.get_by_role("checkbox", name=device).uncheck()
        self.page.get_by_label("I agree").check()

    def press_join(self) -> None:
        self.page.get_by_role("button", name="Join", exact=True).click()
        self.wait_for_stream()

    def wait_for_stream(self) -> None:
        """Wait until the page has opened one more connection than the test knew of."""
        self.known += 1
        while len(self.streams) < self.known:
            self.page.wait_for_timeout(20)

    def join(self) -> None:
        """Join as Ana, without devices; Ben is there."""
        self.fill()
        self.press_join()
        self.state(session="own", key="k3y")
        self.come("Ana", "own")
        self.come("Ben", "ben")
        expect(self.page.locator(".tile")).to_have_count(2)

    def query(self, socket: WebSocketRoute) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(socket.url).query).items()}


@pytest.fixture
def room(context: BrowserContext, origin: str) -> Iterator[Room]:
    made = Room(context, origin)
    yield made
    made.page.close()


@pytest.fixture
def joined(room: Room) -> Room:
    room.open()
    room.join()
    return room


def test_nothing_is_sent_before_the_notice_is_agreed_to(room: Room) -> None:
    room.open()
    expect(room.page.locator("#notice-text")).to_contain_text("Emotion is analyzed here")
    room.page.get_by_label("Your name").fill("Ana")
    room.page.get_by_role("button", name="Join", exact=True).click()
    expect(room.page.locator("#consent:invalid")).to_have_count(1)
    expect(room.page.locator("#call")).to_be_hidden()
    assert room.streams == []


def test_consent_and_name_are_what_the_server_is_told_first(joined: Room) -> None:
    assert joined.query(joined.streams[0]) == {"room": "standup", "name": "Ana", "media": "video"}
    assert json.loads(joined.messages[0]) == {"type": "session.update", "settings": {"consent": True}}
    expect(joined.page.locator("#lobby")).to_be_hidden()
    expect(joined.page.locator(".tile-name")).to_have_text(["Ana (you)", "Ben"])


def test_who_is_there_and_that_it_is_recorded_is_told_before_joining_and_all_the_time(room: Room) -> None:
    room.recording = True
    room.people = [events.Participant(name="Ben", session="ben", number=2, here=True)]
    room.open()
    expect(room.page.locator("#room-state")).to_have_text(
        "In this room: Ben. It is being recorded: sound, pictures and results are kept."
    )
    room.people = []
    room.join()
    expect(room.page.locator("#recording")).to_be_visible()
    room.recording = False
    room.state(session="own", resumed=True)
    expect(room.page.locator("#recording")).to_be_hidden()


def test_token_is_the_first_message_and_in_no_address(room: Room) -> None:
    room.open("/call?room=standup#token=s3cret")
    room.join()
    assert json.loads(room.messages[0]) == {"type": "auth", "token": "s3cret"}
    assert "s3cret" not in room.page.url + "".join(socket.url for socket in room.streams + room.watchers)


def test_token_is_asked_for_where_the_server_wants_one(room: Room) -> None:
    room.open("/call")
    expect(room.page.get_by_label("Token")).to_be_hidden()
    room.page.get_by_label("Room").fill("standup")
    while not room.watchers:
        room.page.wait_for_timeout(20)
    refused = events.Error(code="auth.required", message="no token", fatal=True)
    room.watchers[-1].send(refused.model_dump_json())
    room.watchers[-1].close(code=1008, reason="auth.required")
    expect(room.page.get_by_label("Token")).to_be_focused()
    room.page.get_by_label("Token").fill("s3cret")
    room.join()
    assert json.loads(room.messages[0])["token"] == "s3cret"  # noqa: S105 - what the test has typed itself


def test_everyones_utterances_are_in_one_order_with_speaker_and_emotion(joined: Room) -> None:
    joined.say(0, 9_000, "own", text="third")
    joined.say(0, 2_000, "ben", text="first", label="anger")
    joined.say(1, 5_000, "ben", text="second")
    expect(joined.page.locator("#dialog li .text")).to_have_text(["first", "second", "third"])
    expect(joined.page.locator("#dialog li .heading b")).to_have_text(["Ben", "Ben", "Ana"])
    expect(joined.page.locator("#dialog li .emotion b")).to_have_text(["anger", "joy", "joy"])


def test_tile_shows_the_last_emotion_and_that_more_is_being_said(joined: Room) -> None:
    told = joined.page.locator(".tile[data-name=Ben] .tile-emotion")
    expect(told).to_have_text("nothing said yet")
    joined.tell(started(0), speaker="Ben")
    expect(told).to_have_text("listening…")
    joined.say(0, 0, final=False, speaking=True)
    expect(told).to_contain_text("so far")
    expect(told).to_have_class("tile-emotion emotion-joy provisional")
    joined.say(0, 0, final=False, revision=1)
    expect(told).to_contain_text("early")
    expect(told).to_contain_text("joy")
    expect(told).to_have_class("tile-emotion emotion-joy provisional")
    joined.say(0, 0, revision=2)
    expect(told).to_have_class("tile-emotion emotion-joy")
    joined.tell(started(1), speaker="Ben", room_start_ms=4_000)
    expect(told).to_contain_text("listening…")
    expect(told).to_contain_text("joy")


def test_provisional_and_revised_emotions_are_seen_as_such(joined: Room) -> None:
    joined.say(0, 0, final=False, label="joy")
    row = joined.page.locator("#dialog li")
    expect(row.locator(".mark")).to_have_text("early")
    expect(row).to_have_class("row emotion-joy early")
    expect(joined.page.locator(".strip button.early")).to_have_count(1)
    joined.say(0, 0, revision=1, label="anger")
    expect(row.locator(".mark")).to_have_text("was joy")
    expect(row).to_have_class("row emotion-anger final")


def test_timeline_has_a_lane_for_each_speaker_and_keys_go_between_them(joined: Room) -> None:
    joined.say(0, 0, "own", text="a0")
    joined.say(0, 4_000, "ben", text="b0")
    joined.say(1, 8_000, "own", text="a1")
    expect(joined.page.locator(".lane-name")).to_have_text(["Ana", "Ben"])
    expect(joined.page.locator(".lane").first.locator("button")).to_have_count(2)
    joined.page.locator(".lane").first.locator("button").first.focus()
    focused = joined.page.locator(".strip button:focus")
    for key, words in [("ArrowRight", "b0"), ("ArrowUp", "a0"), ("ArrowDown", "b0"), ("ArrowRight", "a1")]:
        joined.page.keyboard.press(key)
        expect(focused).to_have_attribute("aria-label", f"{focused.get_attribute('title')}")
        assert words in str(focused.get_attribute("title"))
    joined.page.keyboard.press("Enter")
    expect(joined.page.locator("#dialog li:focus .text")).to_have_text("a1")


def test_others_frames_and_faces_are_on_their_tile(joined: Room) -> None:
    frame = jpeg(joined.page)
    joined.socket.send(encode_media(MediaMessage(MediaKind.JPEG, 1_000, frame, number=2)))
    box = events.FaceBox(id=4, box=(160, 90, 260, 270), expression={"joy": 0.8, "fear": 0.2})
    joined.tell(events.Faces(time_ms=1_000, width=640, height=360, faces=[box]))
    tile = joined.page.locator(".tile[data-name=Ben]")
    expect(tile.locator(".face")).to_contain_text("joy 80%")
    expect(tile.locator("canvas")).to_have_attribute("aria-label", re.compile("^Video of Ben"))
    expect(joined.page.locator(".tile[data-name=Ana] .face")).to_have_count(0)


def test_who_leaves_and_comes_back_is_told(joined: Room) -> None:
    joined.say(0, 0)
    joined.tell(events.ParticipantLeft(name="Ben", reason="disconnected"))
    expect(joined.page.locator(".tile")).to_have_count(1)
    expect(joined.page.locator("#people")).to_have_text("1 person")
    expect(joined.page.locator("#coming")).to_have_text("Ben left")
    joined.tell(events.ParticipantJoined(name="Ben", number=3, returning=True), session="ben2")
    expect(joined.page.locator(".tile")).to_have_count(2)
    expect(joined.page.locator("#coming")).to_have_text("Ben is back")
    expect(joined.page.locator("#dialog li")).to_have_count(1)


def reconnected(room: Room) -> WebSocketRoute:
    room.streams[-1].close(code=1011, reason="failed")
    room.wait_for_stream()
    return room.streams[-1]


def test_lost_connection_goes_on_where_it_was(joined: Room) -> None:
    joined.say(0, 0, text="before")
    expect(joined.page.locator("#dialog li")).to_have_count(1)
    seen = joined.seq
    socket = reconnected(joined)
    assert joined.query(socket) == {
        "room": "standup",
        "name": "Ana",
        "media": "video",
        "instance": "i1",
        "since": str(seen),
    }
    assert socket.protocols == ["m2fnet", "m2fnet.key.k3y"]
    joined.state(session="own2", key="k4y", resumed=True)
    joined.say(1, 5_000, text="missed")
    expect(joined.page.locator("#dialog li .text")).to_have_text(["before", "missed"])
    expect(joined.page.locator(".notice")).to_have_count(0)


def test_snapshot_after_too_long_replaces_what_was_there(joined: Room) -> None:
    joined.say(0, 0, text="before")
    expect(joined.page.locator("#dialog li")).to_have_count(1)
    reconnected(joined)
    joined.state(session="own2", instance="i2")
    expect(joined.page.locator("#dialog li")).to_have_count(0)
    joined.say(0, 0, text="again")
    expect(joined.page.locator("#dialog li .text")).to_have_text(["again"])


def test_lost_events_are_told(joined: Room) -> None:
    joined.seq += 3
    joined.say(0, 0)
    expect(joined.page.locator(".notice")).to_contain_text("3 events did not arrive")


def test_reloaded_page_comes_back_under_its_name(joined: Room) -> None:
    joined.page.reload()
    expect(joined.page.get_by_label("Your name")).to_have_value("Ana")
    expect(joined.page.get_by_label("I agree")).to_be_checked()
    joined.press_join()
    query = joined.query(joined.streams[-1])
    assert joined.streams[-1].protocols == ["m2fnet", "m2fnet.key.k3y"]
    assert "since" not in query  # what was shown is gone: a snapshot is needed


@pytest.mark.parametrize(
    ("code", "close", "words", "field"),
    [
        ("name.taken", 1008, "has that name already", "Your name"),
        ("room.full", 1013, "This room is full", "Room"),
        ("auth.required", 1008, "asks for a token", "Token"),
    ],
)
def test_refusal_at_the_door_is_told_at_its_field(room: Room, code: str, close: int, words: str, field: str) -> None:
    room.open()
    room.fill()
    room.press_join()
    room.streams[-1].send(events.Error(code=code, message="no", fatal=True).model_dump_json())
    room.streams[-1].close(code=close, reason=code)
    expect(room.page.get_by_role("alert")).to_contain_text(words)
    expect(room.page.get_by_label(field)).to_be_focused()
    expect(room.page.get_by_role("button", name="Join", exact=True)).to_be_enabled()
    assert len(room.streams) == 1


def test_server_that_is_not_there_is_told(room: Room) -> None:
    room.open()
    room.fill()
    room.press_join()
    room.streams[-1].close(code=1001)
    expect(room.page.get_by_role("alert")).to_contain_text("can't be reached")


def test_anothers_broken_session_does_not_end_ones_own(joined: Room) -> None:
    joined.tell(events.Error(code="internal", message="broke", fatal=True))
    expect(joined.page.locator(".notice.error")).to_be_visible()
    expect(joined.page.get_by_role("button", name="Leave")).to_be_enabled()


def test_taken_over_by_another_tab_is_told(joined: Room) -> None:
    joined.streams[-1].close(code=1008, reason="replaced")
    expect(joined.page.locator(".notice.error")).to_contain_text("joined this room again")
    expect(joined.page.get_by_role("button", name="Join again")).to_be_focused()


def test_leaving_waits_for_the_last_results_and_keeps_the_dialog(joined: Room) -> None:
    joined.say(0, 0)
    joined.tell(partial(1, "unfinished"), room_start_ms=5_000)
    joined.page.get_by_role("button", name="Leave").click()
    expect(joined.page.get_by_role("button", name="Finishing…")).to_be_disabled()
    assert json.loads(joined.messages[-1]) == {"type": "session.close"}
    joined.say(0, 8_000, "own", text="my last words")
    joined.tell(events.SessionClosed(reason="client", totals=events.Totals()), session="own")
    expect(joined.page.get_by_role("button", name="Join again")).to_be_visible()
    expect(joined.page.locator("#dialog li .text")).to_have_text(["words of 0", "my last words"])
    expect(joined.page.locator(".tile")).to_have_count(0)


def test_who_only_watches_sees_all_and_sends_nothing(room: Room) -> None:
    room.open("/call?room=standup&watch=1")
    expect(room.page.locator("#alone")).to_be_visible()
    room.come("Ben", "ben")
    room.say(0, 0)
    expect(room.page.locator(".tile-name")).to_have_text(["Ben"])
    expect(room.page.locator("#dialog li")).to_have_count(1)
    expect(room.page.get_by_role("button", name="Leave")).to_be_hidden()
    assert room.query(room.watchers[-1]) == {"room": "standup", "media": "video"}
    assert room.streams == []


def test_dialog_is_saved_with_the_token_in_a_header(room: Room) -> None:
    asked: list[Route] = []

    def answer(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=200, content_type="text/csv", body="speaker,label\n")

    room.page.route("**/v1/rooms/**", answer)
    room.open("/call?room=standup#token=s3cret")
    room.join()
    room.page.get_by_text("Save dialog").click()
    with room.page.expect_download() as download:
        room.page.get_by_role("button", name="Table (CSV)").click()
    assert download.value.suggested_filename == "standup.csv"
    assert urlsplit(asked[0].request.url).path == "/v1/rooms/standup/export"
    assert asked[0].request.headers["authorization"] == "Bearer s3cret"


def test_dialog_that_can_not_be_saved_is_told(joined: Room) -> None:
    joined.page.route("**/v1/rooms/**", lambda route: route.fulfill(status=404, body="there is no such room"))
    joined.page.get_by_text("Save dialog").click()
    joined.page.get_by_role("button", name="Report (HTML)").click()
    expect(joined.page.locator(".notice.error")).to_contain_text("there is no such room")


def test_names_and_words_from_the_wire_are_never_html(room: Room) -> None:
    hostile = "<img src=x onerror='window.hacked=1'>"
    room.people = [events.Participant(name=hostile, session="ben", number=2, here=True)]
    room.open()
    expect(room.page.locator("#room-state")).to_contain_text(hostile)
    room.people = []
    room.join()
    room.come(hostile, "evil")
    room.tell(emotion(0, speaker=hostile, text=hostile, label=hostile), "evil")
    expect(room.page.locator(".tile-name").last).to_have_text(hostile)
    expect(room.page.locator("#dialog .text")).to_have_text(hostile)
    assert room.page.locator("img").count() == 0
    assert room.page.evaluate("window.hacked") is None


def crowd(room: Room) -> None:
    """Fill the room with what a page in use has."""
    frame = jpeg(room.page)
    room.socket.send(encode_media(MediaMessage(MediaKind.JPEG, 1_000, frame, number=2)))
    for utterance, label in enumerate(LABELS):
        room.say(utterance, utterance * 3_000, "ben" if utterance % 2 else "own", label=label)
    room.say(7, 21_000, final=False)
    room.say(7, 21_000, revision=1, label="fear")
    room.tell(started(8), room_start_ms=24_000)
    room.tell(partial(8, "and then"), room_start_ms=24_000)
    room.tell(events.Warning(code="transcript.failed", message="no words"))
    box = events.FaceBox(id=4, box=(160, 90, 260, 270), expression={"joy": 1.0})
    room.tell(events.Faces(time_ms=1_000, width=640, height=360, faces=[box]))
    expect(room.page.locator("#dialog li")).to_have_count(9)
    expect(room.page.locator(".face")).to_have_count(1)


SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@SCHEMES
@pytest.mark.parametrize("width", [390, 1280])
def test_joining_is_accessible(room: Room, scheme: Any, width: int) -> None:  # noqa: ANN401 - Playwright's literal
    room.page.emulate_media(color_scheme=scheme)
    room.page.set_viewport_size({"width": width, "height": 800})
    room.recording = True
    room.open()
    expect(room.page.locator("#room-state")).to_contain_text("recorded")
    check_accessible(room.page)
    room.fill()
    room.press_join()
    room.streams[-1].send(events.Error(code="name.taken", message="no", fatal=True).model_dump_json())
    room.streams[-1].close(code=1008, reason="name.taken")
    expect(room.page.get_by_role("alert")).to_be_visible()
    check_accessible(room.page)


@SCHEMES
@pytest.mark.parametrize("width", [390, 1280])
def test_call_is_accessible_and_never_scrolls_sideways(room: Room, scheme: Any, width: int) -> None:  # noqa: ANN401
    room.page.emulate_media(color_scheme=scheme)
    room.page.set_viewport_size({"width": width, "height": 800})
    room.recording = True
    room.open()
    room.join()
    crowd(room)
    room.page.get_by_text("Save dialog").click()
    check_accessible(room.page)
    assert room.page.evaluate(NO_SCROLL)
    room.streams[-1].close(code=1008, reason="replaced")
    expect(room.page.get_by_role("button", name="Join again")).to_be_visible()
    check_accessible(room.page)


def test_whole_call_goes_by_keyboard(room: Room) -> None:
    room.open("/call")
    room.page.get_by_label("Room").focus()
    keys = room.page.keyboard
    keys.type("standup")
    keys.press("Tab")
    keys.type("Ana")
    for key in ("Tab", "Space", "Tab", "Space", "Tab", "Space"):  # no camera, no microphone, agreed
        keys.press(key)
    keys.press("Enter")
    room.wait_for_stream()
    room.state(session="own")
    room.come("Ana", "own")
    room.say(0, 0, "own")
    expect(room.page.locator("#room-name")).to_be_focused()
    for expected in ("Copy link", "Save dialog", "Leave"):
        keys.press("Tab")
        expect(room.page.locator(":focus")).to_contain_text(expected)
    for _ in range(2):
        keys.press("Tab")
    expect(room.page.locator(".strip button:focus")).to_have_count(1)


def test_reduced_motion_is_respected(joined: Room) -> None:
    joined.page.emulate_media(reduced_motion="reduce")
    joined.tell(partial(0, "so"))
    cursor = joined.page.locator("#captions .open span").first
    expect(cursor).to_have_text("so")
    moving = "document.getAnimations().filter(({ playState }) => playState === 'running').length"
    assert joined.page.evaluate(moving) == 0


def test_insecure_page_says_what_to_do(context: BrowserContext, origin: str) -> None:
    room = Room(context, origin)
    room.page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    room.open()
    room.fill(devices=True)
    room.page.get_by_role("button", name="Join", exact=True).click()
    expect(room.page.get_by_role("alert")).to_contain_text("over HTTPS")
    assert room.streams == []
