"""The report as a browser would read it: whole, closed in itself, and nothing in it that users wrote as markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from exported_dialog import emotion, room_of_two

from models.labels import LABELS
from stream.exports.formats import render
from stream.exports.from_events import dialog_from_events
from stream.exports.report.look import time
from stream.exports.report.sign_paths import NOT_SURE_PATHS, SIGN_PATHS
from wire import events
from wire.events import NOT_SURE, Event

WEB = Path(__file__).parents[4] / "web"
REPORT = Path(__file__).parents[4] / "stream" / "exports" / "report"
VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"


class Page(HTMLParser):
    """Reads a page, and asserts that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    def handle_decl(self, decl: str) -> None:
        assert decl == "doctype html"

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(*told: Event, name: str = "standup") -> str:
    return render([dialog_from_events(told, name)], "html", several=False)


def test_it_tells_who_said_what_when_with_which_emotion_and_how_sure() -> None:
    page = Page(report(*room_of_two()))
    assert "0:16 Ben Hi, Ann. joy" in page.text
    assert "0:21 Ann Are you there? fear" in page.text
    assert page.text.count("40%") >= 3
    assert "words, voice" in page.text
    assert page.text.count("Good morning.") == 3  # in the transcript, and under the pointer in both drawings


def test_what_is_uncertain_is_not_sure_in_timeline_shares_and_transcript() -> None:
    page = Page(report(emotion(0, 0, uncertain=True), emotion(1, 1_000), emotion(2, 2_000, uncertain=True)))
    assert page.text.count("Hello there. not sure perhaps joy") == 2
    assert "0:00 Ann: not sure, perhaps joy 40%. Hello there." in page.text
    assert "mostly not sure, 67% of the time" in page.text
    assert NOT_SURE_PATHS.strokes in page.values("d")
    pieces = [value for value in page.values("class") if value.startswith("piece emotion-joy")]
    assert pieces.count("piece emotion-joy unlikely") == 2, "none is drawn as the one that was felt"
    assert NOT_SURE not in Page(report(*room_of_two())).text.replace("shown as not sure", "").replace(
        "unless it is not sure", ""
    )


def test_every_heading_table_and_drawing_can_be_found_without_seeing_it() -> None:
    page = Page(report(*room_of_two()))
    assert [tag for tag in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h3", "h3", "h3", "h4", "h4", "h3"]
    assert page.tags.count("table") == 2
    assert page.tags.count("caption") == 1
    assert page.tags.count("th") == len(page.values("scope"))
    drawings = [value for tag, name, value in page.attributes if tag == "svg" and name == "role" and value == "img"]
    assert len(drawings) == 3  # the timeline, and one of each speaker
    assert page.tags.count("desc") == len(drawings)


def test_ids_are_unique_and_all_that_is_referred_to_is_there() -> None:
    result = dialog_from_events(room_of_two(), "standup")
    text = render([result, result], "html", several=True)
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = " ".join(page.values("aria-labelledby") + page.values("aria-describedby")).split()
    assert set(referred) <= set(ids)
    assert set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(ids)


def test_it_needs_nothing_but_itself() -> None:
    text = report(*room_of_two())
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "a"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name in {"src", "href", "xlink:href", "srcset"}]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert "default-src 'none'" in text


def test_what_people_call_themselves_and_say_stays_text() -> None:
    told = emotion(0, 0, speaker=HOSTILE, text=HOSTILE)
    warning = events.Warning(code="x", message=HOSTILE)
    hostile, harmless = Page(report(told, warning, name=HOSTILE)), Page(report(emotion(0, 0), warning))
    assert hostile.tags == harmless.tags
    assert [name for _, name, _ in hostile.attributes] == [name for _, name, _ in harmless.attributes]
    assert hostile.text.count(HOSTILE) >= 4


def test_characters_that_html_may_not_hold_are_left_out() -> None:
    text = report(emotion(0, 0, speaker="A\x00nn", text="so\x1b[0m it\nis"))
    assert not [character for character in text if ord(character) < 32 and character != "\n"]


def test_labels_that_the_page_does_not_know_are_shown_by_their_name() -> None:
    told = emotion(0, 0).model_copy(update={"label": "excited", "probabilities": {"excited": 0.7, "neutral": 0.3}})
    page = Page(report(told))
    assert "excited" in page.text
    assert "0.3" in page.values("r")  # a dot instead of a face
    assert "70%" in page.text
    assert "joy" not in page.text


def test_a_long_dialog_has_its_timeline_in_lines_and_silence_takes_none() -> None:
    told = [emotion(index, start * 1000) for index, start in enumerate((0, 30, 130, 1_000))]
    lines = re.findall(r'aria-label="Timeline from ([\d:]+) to ([\d:]+)"', report(*told))
    assert lines == [("0:00", "2:00"), ("2:00", "4:00"), ("16:00", "18:00")]


def test_several_dialogs_are_one_after_another_and_silence_is_told() -> None:
    talk, quiet = dialog_from_events(room_of_two(), "talk"), dialog_from_events([], "quiet")
    page = Page(render([talk, quiet], "html", several=True))
    assert page.tags.count("article") == 2
    assert "Nobody said anything." in page.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_those_of_the_page(scheme: str) -> None:
    def colours(style: str) -> dict[str, str]:
        light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
        found = dict(re.findall(r"--(\w+): (#\w+);", light if scheme == "light" else dark))
        return {label: found[label] for label in LABELS}

    assert colours((REPORT / "report.css").read_text()) == colours((WEB / "style.css").read_text())


def test_an_emotion_has_its_face_wherever_its_word_is() -> None:
    page = Page(report(*room_of_two()))
    for label, paths in SIGN_PATHS.items():
        faces = page.values("d").count(paths.strokes)
        assert faces == page.values("d").count(paths.solids)
        assert faces >= 4, label  # in the legend, the table of the speakers, and the bands of both
    faces = [value for tag, name, value in page.attributes if tag == "svg" and name == "class" and "sign" in value]
    silent = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-hidden"]
    assert len(silent) >= len(faces) > 4 * len(LABELS)


def test_times_have_hours_only_where_there_are_some() -> None:
    assert [time(ms) for ms in (0, 59_999, 61_000, 3_661_000)] == ["0:00", "0:59", "1:01", "1:01:01"]
