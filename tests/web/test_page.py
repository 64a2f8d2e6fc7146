"""What the page shows of events that a test sends it, in a real browser."""

import re

import pytest
from conftest import ScriptedServer, check_accessible, emotion, jpeg, partial, started
from playwright.sync_api import expect

from models.labels import LABELS
from wire import events

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'><b>bold</b>"
NO_SCROLL = "document.documentElement.scrollWidth <= window.innerWidth"


def test_partial_text_becomes_the_final_row_in_place(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(started(1))
    scripted.tell(partial(1, "oh no"))
    row = scripted.page.locator("#dialog li")
    expect(row).to_contain_text("oh no")
    expect(row).to_contain_text("listening")
    scripted.tell(emotion(1, "sadness", text="Oh no, it rains."))
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Oh no, it rains.")
    expect(row.locator(".emotion")).to_contain_text("sadness70%")
    expect(row.locator(".bar")).to_have_count(len(LABELS))
    expect(scripted.page.locator("#captions .finished")).to_contain_text("Oh no, it rains.")
    expect(scripted.page.locator("#captions .open p")).to_have_count(0)


def test_row_names_modalities_and_tells_the_latency(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(emotion(2, modalities=["audio"], baseline_utterances=3))
    voice = scripted.page.locator("#dialog li .tag", has_text="voice")
    expect(voice).to_have_attribute("title", "voice: used, told against 3 earlier utterances of the speaker")
    scripted.tell(emotion(1, modalities=["text", "face"]))
    row = scripted.page.locator("#dialog li").first
    assert row.locator(".tag:not(.absent)").all_inner_texts() == ["words", "face"]
    assert [text.split()[0] for text in row.locator(".tag.absent").all_text_contents()] == ["voice", "scene"]
    expect(row.locator(".latency")).to_contain_text("0.9 s")
    assert "transcript 310 ms" in (row.locator(".latency").get_attribute("title") or "")


def test_revision_replaces_and_an_older_one_does_not(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(emotion(1, "joy", revision=2))
    scripted.tell(emotion(1, "anger", revision=1))
    scripted.tell(emotion(2, "fear"))
    names = scripted.page.locator("#dialog li .emotion b")
    expect(names).to_have_text(["joy", "fear"])
    expect(scripted.page.locator("#dialog li").first).to_contain_text("rev. 2")


def test_what_is_uncertain_is_shown_as_not_sure_with_its_probabilities(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(emotion(1, "joy"))
    row = scripted.page.locator("#dialog li")
    expect(row.locator(".emotion")).to_have_text("joy70%")
    scripted.tell(emotion(1, "joy", uncertain=True, revision=1))
    expect(row.locator(".emotion b")).to_have_text("not sure")
    expect(row.locator(".emotion")).to_contain_text("perhaps joy, 70%")
    expect(row.locator(".emotion")).to_contain_text("was joy")
    expect(row.locator(".bars .visually-hidden")).to_contain_text("joy 70%")
    expect(row).to_have_class(re.compile("emotion-unsure"))
    expect(scripted.page.locator("#timeline .strip button")).to_have_attribute(
        "title", "0:03 Ada: not sure, perhaps joy, 70%. words of 1"
    )
    expect(scripted.page.locator("#captions .finished")).to_contain_text("(not sure)")
    check_accessible(scripted.page)


def test_resumed_speech_shows_the_early_result_as_withdrawn(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(emotion(1, "joy", final=False))
    line = scripted.page.locator("#dialog li .emotion")
    expect(line).to_contain_text("early")
    scripted.tell(events.UtteranceResumed(utterance=1))
    expect(line).to_contain_text("withdrawn")
    scripted.tell(emotion(1, "anger", revision=1))
    expect(line).to_have_text("anger70%")


def test_what_is_told_while_one_speaks_is_seen_as_such(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(started(1))
    scripted.tell(partial(1, "words of"))
    scripted.tell(emotion(1, "joy", final=False, speaking=True, text="words"))
    row = scripted.page.locator("#dialog li")
    expect(row.locator(".mark")).to_have_text("so far")
    expect(row.locator(".text")).to_have_text("words of")
    expect(row).to_have_class("row emotion-joy speaking so-far")
    piece = scripted.page.locator("#timeline .strip button.early")
    expect(piece).to_have_attribute("title", "0:03 Ada: so far joy 70% (speaking). words of")
    expect(scripted.page.locator("#captions .finished p:not(.empty)")).to_have_count(0)
    check_accessible(scripted.page)
    scripted.tell(emotion(1, "anger", revision=1))
    expect(row).to_have_class("row emotion-anger final")
    expect(row.locator(".mark")).to_have_count(0)


def test_who_spoke_before_has_ended_when_the_next_begins(scripted: ScriptedServer) -> None:
    scripted.session()
    for utterance in (1, 2):
        scripted.tell(started(utterance))
    expect(scripted.page.locator("#dialog .emotion")).to_have_text(["working…", "listening…"])
    expect(scripted.page.locator("#captions p:not(.empty)")).to_have_count(0)
    piece = scripted.page.locator("#timeline .strip button").first
    expect(piece).to_have_attribute("style", "left: 10%; width: 10%;")


def test_discarded_utterance_leaves_nothing_behind(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(started(1))
    expect(scripted.page.locator("#dialog li")).to_have_count(1)
    scripted.tell(events.UtteranceDiscarded(utterance=1, reason="no words"))
    for place in ("#dialog li", "#timeline .strip button", "#captions p:not(.empty)"):
        expect(scripted.page.locator(place)).to_have_count(0)


def test_text_from_the_wire_is_never_html(scripted: ScriptedServer) -> None:
    scripted.session(speaker=HOSTILE)
    scripted.session(speaker=HOSTILE, session=HOSTILE, number=2)
    scripted.tell(started(1))
    scripted.tell(partial(1, HOSTILE))
    scripted.tell(emotion(2, speaker=HOSTILE, text=HOSTILE, label=HOSTILE, modalities=[]))
    scripted.tell(events.Warning(code=HOSTILE, message=HOSTILE))
    scripted.tell(events.Error(code=HOSTILE, message=HOSTILE, fatal=False))
    scripted.tell(events.Faces(time_ms=0, width=64, height=64, faces=[face(1, {HOSTILE: 1.0})]))
    expect(scripted.page.locator("#dialog .text").last).to_have_text(HOSTILE)
    expect(scripted.page.locator(".notice")).to_have_count(2)
    assert scripted.page.locator("img, .text b, .notice p b b").count() == 0
    assert scripted.page.evaluate("window.hacked") is None


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_page_never_scrolls_sideways(scripted: ScriptedServer, width: int) -> None:
    scripted.page.set_viewport_size({"width": width, "height": 740})
    long_word = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3
    scripted.session(speaker=long_word[:64])
    scripted.session(speaker=long_word[:64], session="s2", number=2)
    for utterance in range(40):
        scripted.tell(emotion(utterance, LABELS[utterance % 7], speaker=long_word[:64], text=long_word))
    scripted.tell(partial(41, long_word))
    scripted.tell(events.Warning(code="c" * 60, message=long_word))
    expect(scripted.page.locator("#dialog li")).to_have_count(41)
    assert scripted.page.evaluate(NO_SCROLL)


def test_rows_are_bounded_oldest_first(scripted: ScriptedServer) -> None:
    scripted.session()
    for utterance in range(303):
        scripted.tell(emotion(utterance))
    expect(scripted.page.locator("#dialog .forgotten")).to_have_text("3 earlier utterances are no longer shown.")
    expect(scripted.page.locator("#dialog li")).to_have_count(300)
    expect(scripted.page.locator("#timeline .strip button")).to_have_count(300)
    expect(scripted.page.locator("#dialog li .text").first).to_have_text("words of 3")


def test_late_watcher_sees_utterances_in_the_order_of_their_start(scripted: ScriptedServer) -> None:
    scripted.session()
    for utterance in (2, 3, 1):
        scripted.tell(emotion(utterance))
    expect(scripted.page.locator("#dialog li .text")).to_have_text(["words of 1", "words of 2", "words of 3"])


def test_selector_switches_between_sessions(scripted: ScriptedServer) -> None:
    scripted.session("Ada")
    expect(scripted.page.locator("#session-field")).to_be_hidden()
    scripted.session("Grace", session="s2", number=2)
    scripted.tell(emotion(1, text="from Ada"))
    scripted.tell(emotion(1, text="from Grace"), session="s2")
    text = scripted.page.locator("#dialog .text")
    expect(text).to_have_text(["from Ada"])
    scripted.page.get_by_label("Session").select_option("s2")
    expect(text).to_have_text(["from Grace"])
    scripted.tell(events.SessionClosed(reason="file ended", totals=events.Totals(dropped_video_frames=7)), session="s2")
    expect(scripted.page.locator("#status")).to_have_text("ended: file ended")
    expect(scripted.page.locator("#counts")).to_contain_text("server dropped 7 frames")


def face(number: int, expression: dict[str, float], left: float = 100) -> events.FaceBox:
    return events.FaceBox(id=number, box=(left, 90, left + 100, 270), expression=expression)


def test_faces_are_drawn_on_the_frame(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.preview(3, 1000, jpeg(scripted.page))
    scripted.tell(
        events.Faces(time_ms=1000, width=640, height=360, faces=[face(4, {"joy": 0.8, "fear": 0.2}, left=160)])
    )
    box = scripted.page.locator(".face")
    expect(box).to_have_text("4 joy 80%")
    style = box.evaluate("box => [box.style.left, box.style.top, box.style.width, box.style.height]")
    assert style == ["25%", "25%", "15.625%", "50%"]
    expect(scripted.page.locator("#stage")).to_have_class(re.compile("has-frame"))


def test_the_face_that_speaks_is_marked(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.preview(3, 1000, jpeg(scripted.page))
    shown = [face(4, {"joy": 0.8}, left=160), face(7, {"joy": 0.8}, left=360)]
    scripted.tell(events.Faces(time_ms=1000, width=640, height=360, faces=shown))
    scripted.tell(started(1))
    scripted.tell(emotion(1, "joy", face=7))
    marked = scripted.page.locator(".face.speaking")
    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("7")
    scripted.tell(started(2))
    expect(marked).to_have_count(0)


def test_sound_alone_shows_a_level(scripted: ScriptedServer) -> None:
    scripted.session()
    expect(scripted.page.locator("#placeholder-text")).to_have_text("No picture: sound only")
    scripted.preview(1, 0, b"\x00\x40" * 800)
    expect(scripted.page.locator(".meter")).to_have_attribute("style", "--level: 0.900;")


def test_timeline_leads_to_the_row_by_mouse_and_keyboard(scripted: ScriptedServer) -> None:
    scripted.session()
    for utterance in range(30):
        scripted.tell(emotion(utterance, LABELS[utterance % 7]))
    pieces = scripted.page.locator("#timeline .strip button")
    expect(pieces).to_have_count(30)
    pieces.nth(2).click()
    expect(scripted.page.locator("#dialog li[data-utterance='2']")).to_be_focused()
    pieces.nth(2).focus()
    scripted.page.keyboard.press("ArrowRight")
    scripted.page.keyboard.press("Enter")
    expect(scripted.page.locator("#dialog li[data-utterance='3']")).to_be_focused()
    expect(scripted.page.locator("#dialog li[data-utterance='3']")).to_be_in_viewport()


def test_session_that_is_recorded_says_so(scripted: ScriptedServer) -> None:
    scripted.session("Ada")
    expect(scripted.page.locator("#recording")).to_be_hidden()
    created = events.SessionCreated(labels=list(LABELS), speaker="Ada", engine="e", bundle="b", recording=True)
    scripted.tell(created)
    expect(scripted.page.locator("#recording")).to_have_text("being recorded")
    scripted.tell(events.SessionClosed(reason="client", totals=events.Totals()))
    expect(scripted.page.locator("#recording")).to_be_hidden()


def test_notices_are_counted_and_dismissed(scripted: ScriptedServer) -> None:
    for _ in range(3):
        scripted.tell(events.Warning(code="video.dropped", message="too slow"), session="")
    notice = scripted.page.locator(".notice")
    expect(notice).to_contain_text("\u00d7 3")
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_have_count(0)


def test_lost_connection_is_shown_and_comes_back(scripted: ScriptedServer) -> None:
    scripted.session()
    scripted.tell(emotion(1))
    expect(scripted.page.locator("#dialog li")).to_have_count(1)
    scripted.sockets[-1].close(code=1001, reason="server.stopped")
    pill = scripted.page.locator("#connection")
    expect(pill).to_contain_text("The server was stopped")
    expect(pill).to_contain_text("Next try in")
    expect(scripted.page.locator("#status")).to_have_text("ended: connection lost")
    expect(pill).to_have_attribute("data-state", "connected")
    scripted.session()
    expect(scripted.page.locator("#status")).to_have_text("live")
    expect(scripted.page.locator("#dialog li")).to_have_count(1)


def test_refused_connection_stays_closed_with_its_reason(scripted: ScriptedServer) -> None:
    scripted.sockets[-1].close(code=1008, reason="errors")
    pill = scripted.page.locator("#connection")
    expect(pill).to_contain_text("Closed: errors")
    pill.get_by_role("button", name="Connect").click()
    expect(pill).to_have_attribute("data-state", "connected")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_colours_have_enough_contrast(scripted: ScriptedServer, scheme: str) -> None:
    scripted.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    pairs = [(text, ground) for text in ("text", "soft") for ground in ("page", "card", "sunk")]
    pairs += [("on-accent", "accent"), ("accent", "page"), ("good", "page"), ("warn", "card"), ("bad", "card")]
    for text, ground in pairs:
        assert contrast(scripted, text, ground) >= 4.5, (text, ground)
    for label in LABELS:
        assert contrast(scripted, label, "sunk") >= 3 or contrast(scripted, label, "card") >= 3, label


def contrast(scripted: ScriptedServer, first: str, second: str) -> float:
    """Return the WCAG contrast ratio of two of the style's colours."""
    bright, dark = sorted((luminance(scripted, first), luminance(scripted, second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(scripted: ScriptedServer, name: str) -> float:
    code = f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"
    colour = scripted.page.evaluate(code)
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_page_loads_nothing_from_elsewhere(scripted: ScriptedServer) -> None:
    addresses = scripted.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert addresses
    assert all(address.startswith((scripted.origin, "data:")) for address in addresses)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(scripted: ScriptedServer, scheme: str, width: int) -> None:
    scripted.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    scripted.page.set_viewport_size({"width": width, "height": 800})
    check_accessible(scripted.page)
    scripted.session()
    scripted.session("Grace", session="s2", number=2)
    for utterance, label in enumerate(LABELS):
        scripted.tell(emotion(utterance, label))
    scripted.tell(emotion(7, final=False))
    scripted.tell(partial(8, "and then"))
    scripted.tell(events.Warning(code="transcript.failed", message="no words"))
    expect(scripted.page.locator("#dialog li")).to_have_count(9)
    check_accessible(scripted.page)


def test_disclosure_is_on_the_page(scripted: ScriptedServer) -> None:
    footer = scripted.page.locator("footer")
    for words in ("uncertain", "workplace", "5(1)(f)", "stay on the machine"):
        expect(footer).to_contain_text(words)
