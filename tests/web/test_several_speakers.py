"""Several people at one microphone: each has a name and a colour, and their participant's tile and card."""

import pytest
from conftest import run_module
from playwright.sync_api import Page, expect
from test_bounds import OVERLAY
from test_call_page import Room, room  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser


def test_a_speaker_has_one_colour_and_others_have_others(modules: Page) -> None:
    body = """
        const colours = new m.SpeakerColours();
        return ["Ana", "Ben", "Ana", "Cleo"].map((name) => colours.classOf(name));
    """
    first, second, again, third = run_module(modules, "speakers.js", body)
    assert first == again
    assert len({first, second, third}) == 3


def test_a_card_names_who_speaks_and_is_found_by_its_participant(modules: Page) -> None:
    body = """
        take(begin("Ana", "R", 0), 0);
        take([emotion("Ana", "R", 0, { speaker: "Ana · B" })], 10);
        take([emotion("Ana", "R", 0, { speaker: "Ana · C", revision: 1 })], 20);
        const named = new m.OverlayState({ fade: 0, name: "Ana" });
        const told = [...begin("Ana", "R", 0), emotion("Ana", "R", 0, { speaker: "Ana · B" })];
        told.map((event) => named.apply(event, 10));
        return [state.cards(20).map(({ speaker }) => speaker), named.cards(20).length];
    """
    assert run_module(modules, "overlay-state.js", OVERLAY + body) == [["Ana · C"], 1]


def test_what_any_of_them_says_is_shown_at_their_participants_tile(room: Room) -> None:  # noqa: F811
    room.open()
    room.join()
    room.say(0, 0)
    room.say(1, 3_000, speaker="Ben · B", label="anger", probabilities={"anger": 0.9, "neutral": 0.1})
    tile = room.page.locator(".tile", has_text="Ben")
    expect(tile.locator(".tile-emotion")).to_contain_text("anger")
