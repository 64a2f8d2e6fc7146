"""The overlay page: what its address asks for, what it shows of events, and that nothing else is painted."""

import io
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import ROOT, ScriptedServer, check_accessible, emotion, partial, started
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, WebSocketRoute, expect

from models.labels import LABELS
from wire import events

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'><b>bold</b>"


class Overlay(ScriptedServer):
    """The overlay page, with what follows its address; ``sent``: the messages of the page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.sent: list[str | bytes] = []
        super().__init__(page, origin)

    def _connected(self, socket: WebSocketRoute) -> None:
        super()._connected(socket)
        socket.on_message(lambda message: self.sent.append(message))  # noqa: PLW0108 - Playwright takes no built-in

    def show(self, address: str = "") -> "Overlay":
        self.page.goto(f"{self.origin}/overlay{address}")
        self.page.wait_for_selector("body[data-state=connected]")
        return self

    def settle(self) -> None:
        """Wait until what comes is no longer taken for what has been."""
        self.page.wait_for_timeout(500)

    @property
    def card(self) -> Locator:
        return self.page.locator(".card")

    @property
    def message(self) -> Locator:
        return self.page.locator("#message")

    def pixels(self) -> np.ndarray:
        """What the page paints: RGBA, as a program that lays it over a frame gets it."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot(omit_background=True))).convert("RGBA"))

    def speak(self, text: str = "I got the job!", label: str = "joy", **changes: object) -> None:
        """Tell a session with one utterance."""
        self.settle()
        self.session()
        self.tell(started(1))
        self.tell(emotion(1, label, text=text, **changes))


@pytest.fixture
def overlay(context: BrowserContext, origin: str) -> Overlay:
    return Overlay(context.new_page(), origin)


def faces(time_ms: int = 0, box: tuple[float, float, float, float] = (160, 90, 320, 270)) -> events.Faces:
    expression = {name: 0.7 if name == "joy" else 0.05 for name in LABELS}
    return events.Faces(
        time_ms=time_ms, width=640, height=360, faces=[events.FaceBox(id=1, box=box, expression=expression)]
    )


# --- what is not sure


@pytest.mark.parametrize("final", [True, False])
def test_what_is_uncertain_is_shown_as_not_sure(overlay: Overlay, final: bool) -> None:
    overlay.show("?show=emotion,transcript,bars").speak(uncertain=True, final=final)
    expect(overlay.card.locator(".emotion b")).to_have_text(["not sure"])
    expect(overlay.card).to_have_class(re.compile("emotion-unsure"))
    expect(overlay.card.locator(".bars .visually-hidden")).to_contain_text("joy 70%")
    check_accessible(overlay.page)


# --- the address


Parse = Callable[[str], Any]


@pytest.fixture
def parse(scripted: ScriptedServer) -> Parse:
    def call(search: str) -> Any:  # noqa: ANN401 - any JSON
        code = "async (x) => { const m = await import('/web/overlay-options.js'); return m.parseOptions(x) }"
        return scripted.page.evaluate(code, search)

    return call


def test_every_parameter_is_read(parse: Parse) -> None:
    read = parse(
        "?room=stand%20up&name=Ana&show=bars,emotion&size=40&position=top-left&fade=0&theme=outline&mirror=yes"
    )
    assert read["problems"] == []
    assert read["options"] == {
        "room": "stand up",
        "session": "",
        "name": "Ana",
        "show": ["emotion", "bars"],
        "size": 40,
        "position": "top-left",
        "fade": 0,
        "theme": "outline",
        "mirror": True,
    }


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("?size=big", '"size" is "big" but must be a number from 10 to 200'),
        ("?size=", '"size" is "" but must be a number'),
        ("?size=9", "from 10 to 200"),
        ("?fade=-1", "from 0 to 600 (seconds"),
        ("?fade=NaN", "must be a number"),
        ("?position=middle", "must be one of top-left, top, top-right"),
        ("?theme=pink", "must be one of dark, light, outline"),
        ("?mirror=1", "must be one of yes, no"),
        ("?show=emotion,hat", '"hat", which can\'t be shown; choose of name, emotion, transcript, bars, faces'),
        ("?show=", "is empty; choose of"),
        ("?room=", "must have 1 to 64 characters"),
        ("?name=" + "a" * 65, "must have 1 to 64 characters"),
        ("?colour=red", '"colour" is no parameter of this page; there are room, session, name'),
        ("?toString=1", '"toString" is no parameter'),
        ("?size=20&size=30", '"size" is there twice'),
        ("?room=R&session=S", '"room" and "session" are both there'),
        ("?show=faces", 'say whose with "name" or "session"'),
    ],
)
def test_wrong_parameter_is_told_with_what_would_be_right(parse: Parse, search: str, words: str) -> None:
    problems = parse(search)["problems"]
    assert len(problems) == 1
    assert words in problems[0]


def test_the_document_has_every_parameter_and_no_other(parse: Parse) -> None:
    told = parse("?x=1")["problems"][0].removesuffix(".").partition("there are ")[2].split(", ")
    document = (ROOT / "docs" / "overlay.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)=", document, re.MULTILINE) == told


@pytest.mark.parametrize(
    ("search", "asked"),
    [
        ("", "/v1/events"),
        ("?room=a%26b%20c", "/v1/events?room=a%26b+c"),
        ("?session=abc&name=Ana", "/v1/events?session=abc"),
        ("?name=Ana", "/v1/events"),
    ],
)
def test_asks_the_server_for_what_is_shown(overlay: Overlay, search: str, asked: str) -> None:
    overlay.show(search)
    assert urlsplit(overlay.sockets[-1].url)[2:4] == urlsplit(asked)[2:4]


def test_token_goes_with_the_first_message_and_not_into_the_address(overlay: Overlay) -> None:
    overlay.show("?room=R#token=secret")
    while not overlay.sent:
        overlay.page.wait_for_timeout(20)
    assert "secret" not in overlay.sockets[-1].url
    assert [json.loads(message) for message in overlay.sent] == [{"type": "auth", "token": "secret"}]


@pytest.mark.parametrize(("fragment", "token"), [("", ""), ("#token=a%2Bb", "a+b"), ("#other=1", "")])
def test_token_is_read_from_the_fragment(scripted: ScriptedServer, fragment: str, token: str) -> None:
    code = "async (x) => (await import('/web/overlay-options.js')).tokenOf(x)"
    assert scripted.page.evaluate(code, fragment) == token


def test_wrong_address_is_told_on_the_page_and_nothing_is_watched(overlay: Overlay) -> None:
    overlay.page.goto(f"{overlay.origin}/overlay?size=big&colour=red")
    expect(overlay.message).to_be_visible()
    expect(overlay.message).to_contain_text('"size" is "big" but must be a number from 10 to 200')
    expect(overlay.message).to_contain_text('"colour" is no parameter of this page')
    assert overlay.sockets == []


def test_refusal_is_told_with_what_to_do(overlay: Overlay) -> None:
    overlay.show("?session=gone")
    overlay.tell(events.Error(code="session.unknown", message="there is no such session", fatal=True), session="")
    overlay.sockets[-1].close(code=1008, reason="session.unknown")
    expect(overlay.message).to_contain_text("there is no such session")
    expect(overlay.message).to_contain_text("load the page again")


def test_refused_token_is_told_where_it_goes(overlay: Overlay) -> None:
    overlay.show()
    overlay.sockets[-1].close(code=1008, reason="auth.required")
    expect(overlay.message).to_contain_text("#token=")


# --- what is painted


def test_nothing_is_painted_while_a_room_is_waited_for(overlay: Overlay) -> None:
    overlay.show("?room=not-yet")
    overlay.settle()
    assert not overlay.pixels()[..., 3].any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_only_the_card_is_painted(overlay: Overlay, scheme: Any) -> None:  # noqa: ANN401 - Playwright's literal
    overlay.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    overlay.show()
    overlay.speak()
    expect(overlay.card).to_contain_text("I got the job!")
    alpha = overlay.pixels()[..., 3]
    box = overlay.card.bounding_box()
    assert box is not None
    top, left = int(box["y"]) - 2, int(box["x"]) - 2
    bottom, right = int(box["y"] + box["height"]) + 3, int(box["x"] + box["width"]) + 3
    assert alpha[top + 10 : bottom - 10, left + 10 : right - 10].min() > 0
    alpha = alpha.copy()
    alpha[top:bottom, left:right] = 0
    assert not alpha.any()


@pytest.mark.parametrize("position", ["top-left", "top", "top-right", "bottom-left", "bottom", "bottom-right"])
def test_card_is_where_it_was_asked_for(overlay: Overlay, position: str) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.show(f"?position={position}")
    overlay.speak()
    expect(overlay.card).to_be_visible()
    box = overlay.card.bounding_box()
    assert box is not None
    assert (box["y"] < 100) == position.startswith("top")
    middle = box["x"] + box["width"] / 2
    expected = {"left": box["x"] < 40, "right": box["x"] + box["width"] > 1320}
    assert expected.get(position.partition("-")[2], abs(middle - 680) < 2)


def test_size_is_that_of_the_text(overlay: Overlay) -> None:
    overlay.show("?size=57")
    overlay.speak()
    expect(overlay.card.locator(".text")).to_have_css("font-size", "57px")


# --- what is told


def test_emotion_is_shown_by_sign_word_and_colour(overlay: Overlay) -> None:
    overlay.show()
    overlay.speak(label="anger")
    expect(overlay.card.locator("h2")).to_have_text("Ada")
    expect(overlay.card.locator(".emotion")).to_have_text("anger")
    expect(overlay.card.locator(".emotion b")).to_have_css("color", "rgb(255, 138, 132)")


def test_provisional_emotion_looks_and_reads_provisional_until_it_is_final(overlay: Overlay) -> None:
    overlay.show()
    overlay.speak(final=False)
    expect(overlay.card.locator(".emotion b")).to_have_text("maybe joy")
    expect(overlay.card.locator(".emotion b")).to_have_css("font-style", "italic")
    overlay.settle()
    stripe = "(card) => getComputedStyle(card, '::before').backgroundImage"
    assert "repeating" in overlay.card.evaluate(stripe)
    overlay.tell(emotion(1, "joy", revision=1))
    expect(overlay.card.locator(".emotion b")).to_have_text("joy")
    expect(overlay.card.locator(".emotion b")).to_have_css("font-style", "normal")
    assert overlay.card.evaluate(stripe) == "none"


def test_only_the_row_that_is_provisional_looks_so(overlay: Overlay) -> None:
    overlay.show()
    overlay.speak()
    overlay.tell(emotion(2, "fear", final=False))
    words = overlay.card.locator(".emotion b")
    expect(words).to_have_text(["joy", "maybe fear"])
    expect(words.nth(0)).to_have_css("font-style", "normal")
    expect(words.nth(1)).to_have_css("font-style", "italic")


def test_withdrawn_emotion_goes_and_words_stay(overlay: Overlay) -> None:
    overlay.show()
    overlay.speak(final=False)
    overlay.tell(events.UtteranceResumed(utterance=1))
    expect(overlay.card.locator(".emotion b")).to_have_count(0)
    expect(overlay.card).to_contain_text("I got the job!")
    overlay.tell(events.UtteranceDiscarded(utterance=1, reason="no words"))
    expect(overlay.card).to_have_count(0)


def test_what_is_being_said_stands_below_what_was_said(overlay: Overlay) -> None:
    overlay.show()
    overlay.speak()
    overlay.tell(started(2))
    overlay.tell(partial(2, "and it starts"))
    rows = overlay.card.locator(".row")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("joy")
    expect(rows.nth(1)).to_contain_text("and it starts")
    expect(rows.nth(1).locator(".unknown")).to_contain_text("listening")
    overlay.tell(started(3))
    overlay.tell(partial(3, "third"))
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("and it starts")


def test_elements_are_those_asked_for(overlay: Overlay) -> None:
    overlay.show("?show=bars,emotion")
    overlay.speak()
    expect(overlay.card.locator(".bar")).to_have_count(len(LABELS))
    expect(overlay.card.locator(".bars")).to_contain_text("joy 70%")
    expect(overlay.card.locator("h2, .text")).to_have_count(0)


def test_utterance_fades_after_the_seconds_asked_for(overlay: Overlay) -> None:
    overlay.show("?fade=1")
    overlay.speak()
    expect(overlay.card).to_have_count(1)
    expect(overlay.card).to_have_count(0)


def test_what_was_said_before_the_page_was_opened_is_not_news(overlay: Overlay) -> None:
    overlay.show("?fade=0")
    overlay.session()
    overlay.tell(emotion(1, "joy"))
    overlay.tell(partial(2, "being said now"))
    expect(overlay.card).to_contain_text("being said now")
    expect(overlay.card.locator(".row")).to_have_count(1)


def test_of_a_room_only_what_was_said_just_now_is_news(overlay: Overlay) -> None:
    overlay.show("?room=R")
    state = events.RoomState(instance="i", resumed=False, now_ms=60_000, recording=False, participants=[])
    overlay.tell(state, session="", room="R")
    overlay.session()
    overlay.tell(emotion(1, "joy", text="long ago", room_start_ms=1_000))
    overlay.tell(emotion(2, "fear", text="just now", room_start_ms=56_000))
    expect(overlay.card.locator(".row")).to_have_count(1)
    expect(overlay.card).to_contain_text("just now")


def test_each_participant_has_a_card_in_the_order_of_coming(overlay: Overlay) -> None:
    overlay.show("?room=R&fade=0")
    overlay.settle()
    overlay.session("Bo", "s2", 2)
    overlay.session("Ana", "s1", 1)
    overlay.tell(emotion(1, "fear", text="second", speaker="Bo"), session="s2")
    expect(overlay.card.locator("h2")).to_have_text(["Bo"])
    overlay.tell(emotion(1, "joy", text="first", speaker="Ana"), session="s1")
    expect(overlay.card.locator("h2")).to_have_text(["Ana", "Bo"])


def test_of_more_cards_than_fit_the_last_are_seen_whole(overlay: Overlay) -> None:
    overlay.page.set_viewport_size({"width": 800, "height": 260})
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.show("?room=R")
    overlay.settle()
    for number in range(1, 7):
        overlay.session(f"P{number}", f"s{number}", number)
        overlay.tell(emotion(1, "joy", text=f"said by {number}", speaker=f"P{number}"), session=f"s{number}")
    expect(overlay.card).to_have_count(6)
    box = overlay.card.last.bounding_box()
    assert box is not None
    assert box["y"] > 0
    assert box["y"] + box["height"] <= 260


def test_one_participant_is_shown_by_name_whatever_its_case(overlay: Overlay) -> None:
    overlay.show("?room=R&name=ana")
    overlay.settle()
    overlay.session("Bo", "s2", 2)
    overlay.session("Ana", "s1", 1)
    overlay.tell(emotion(1, "fear", text="not asked for", speaker="Bo"), session="s2")
    overlay.tell(emotion(1, "joy", text="asked for", speaker="Ana"), session="s1")
    expect(overlay.card).to_have_count(1)
    expect(overlay.card).to_contain_text("asked for")


def test_new_life_of_a_room_replaces_what_was_known(overlay: Overlay) -> None:
    overlay.show("?room=R&fade=0")
    overlay.speak()
    expect(overlay.card).to_have_count(1)
    state = events.RoomState(instance="j", resumed=False, now_ms=0, recording=False, participants=[])
    overlay.tell(state, session="", room="R")
    expect(overlay.card).to_have_count(0)


def test_connection_that_is_lost_is_made_again_and_the_page_says_nothing_of_it(overlay: Overlay) -> None:
    overlay.show()
    overlay.settle()
    overlay.session()
    overlay.tell(partial(1, "interrupted"))
    expect(overlay.card).to_have_count(1)
    overlay.sockets[-1].close(code=1001)
    expect(overlay.card).to_have_count(0)
    expect(overlay.message).to_be_hidden()
    overlay.page.wait_for_selector("body[data-state=connected]")
    assert len(overlay.sockets) == 2
    overlay.speak("back again")
    expect(overlay.card).to_contain_text("back again")


def test_faces_are_where_they_are_in_a_frame_that_fills_the_page(overlay: Overlay) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.page.set_viewport_size({"width": 1280, "height": 720})
    overlay.show("?show=faces&name=Ada")
    overlay.session()
    overlay.tell(faces())
    face = overlay.page.locator(".face")
    expect(face).to_contain_text("joy")
    assert face.bounding_box() == {"x": 320, "y": 180, "width": 320, "height": 360}
    expect(face).to_have_count(0)  # nothing newer comes: it is not known where the face is


@pytest.mark.parametrize(("mirror", "middle"), [("no", 960), ("yes", 320)])
def test_of_several_faces_the_one_that_speaks_is_marked_and_has_the_words(
    overlay: Overlay, mirror: str, middle: int
) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.page.set_viewport_size({"width": 1280, "height": 720})
    overlay.show(f"?show=emotion,transcript,faces&name=Ada&fade=0&mirror={mirror}").speak()
    two = faces().faces[0], faces(box=(400, 60, 560, 180)).faces[0].model_copy(update={"id": 2})
    overlay.tell(faces().model_copy(update={"faces": list(two)}))
    expect(overlay.page.locator(".face.speaking")).to_have_count(0)
    overlay.tell(emotion(2, "fear", text="Mine.", face=2))
    overlay.tell(faces().model_copy(update={"faces": list(two)}))
    expect(overlay.page.locator(".face.speaking")).to_contain_text("joy")
    expect(overlay.page.locator(".card:not(.at-face) .text")).to_have_text(["I got the job!"])
    card = overlay.page.locator(".card.at-face")
    expect(card.locator(".text")).to_have_text(["Mine."])
    box = card.bounding_box()
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - middle) < 2
    assert 360 <= box["y"] <= 380
    expect(card).to_have_count(0)  # where the faces are is not known any more
    expect(overlay.card.locator(".text")).to_have_text(["I got the job!", "Mine."])


def test_mirrored_faces_are_on_the_other_side(overlay: Overlay) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.page.set_viewport_size({"width": 1280, "height": 720})
    overlay.show("?show=faces&name=Ada&mirror=yes")
    overlay.session()
    overlay.tell(faces())
    expect(overlay.page.locator(".face")).to_be_visible()
    assert overlay.page.locator(".face").bounding_box() == {"x": 640, "y": 180, "width": 320, "height": 360}


def test_what_is_said_is_never_markup(overlay: Overlay) -> None:
    overlay.show()
    overlay.settle()
    overlay.session(HOSTILE)
    overlay.tell(emotion(1, "joy", text=HOSTILE, speaker=HOSTILE))
    expect(overlay.card.locator(".text")).to_have_text(HOSTILE)
    expect(overlay.card.locator("h2")).to_have_text(HOSTILE)
    assert overlay.page.evaluate("window.hacked") is None


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_long_names_and_texts_stay_inside_the_page(overlay: Overlay, width: int) -> None:
    overlay.page.set_viewport_size({"width": width, "height": 400})
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.show("?size=40&show=name,emotion,transcript,bars")
    overlay.settle()
    overlay.session("N" * 64)
    overlay.tell(emotion(1, "surprise", text="word " * 200, speaker="N" * 64))
    overlay.tell(emotion(2, "surprise", text="W" * 300 + " the end", speaker="N" * 64))
    expect(overlay.card).to_be_visible()
    box = overlay.card.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert overlay.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_nothing_moves_for_who_does_not_want_it(overlay: Overlay) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.show()
    overlay.speak()
    expect(overlay.card).to_have_css("animation-name", "none")
    expect(overlay.card).to_have_css("transition-duration", "0s")


@pytest.mark.parametrize("theme", ["dark", "light", "outline"])
def test_it_is_accessible(overlay: Overlay, theme: str) -> None:
    overlay.page.emulate_media(reduced_motion="reduce")
    overlay.show(f"?name=Ada&show=name,emotion,transcript,bars,faces&fade=0&theme={theme}")
    overlay.speak()
    overlay.tell(emotion(2, "fear", final=False))
    overlay.tell(faces())
    expect(overlay.card.locator(".row")).to_have_count(2)
    expect(overlay.card.locator(".row").nth(1)).to_contain_text("maybe fear")
    check_accessible(overlay.page)


def test_message_is_accessible(overlay: Overlay) -> None:
    overlay.page.goto(f"{overlay.origin}/overlay?size=big")
    expect(overlay.message).to_be_visible()
    check_accessible(overlay.page)


def test_page_obeys_a_strict_content_security_policy(overlay: Overlay) -> None:
    said: list[str] = []
    overlay.page.on("console", lambda line: said.append(line.text))
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; img-src 'self' data:"

    def with_policy(route: Any) -> None:  # noqa: ANN401 - Playwright's
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})

    overlay.page.route("**/overlay*", with_policy)
    overlay.show("?show=name,emotion,transcript,bars,faces&name=Ada")
    overlay.speak()
    overlay.tell(faces())
    expect(overlay.card).to_be_visible()
    expect(overlay.page.locator(".face")).to_be_visible()
    assert [line for line in said if "Content Security Policy" in line] == []
