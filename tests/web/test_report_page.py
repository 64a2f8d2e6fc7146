"""The exported report in a browser, opened from a file as who was sent it does."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from exported_dialog import emotion, room_of_two
from playwright.sync_api import Browser

from stream.exports.formats import render
from stream.exports.from_events import dialog_from_events

pytestmark = pytest.mark.browser

LONG_NAME = "Somebody_whose_name_is_as_long_as_a_name_may_be_without_a_space_x"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    told = [*room_of_two(), emotion(9, 30_000, session="c", speaker=LONG_NAME, text="مرحبا بكم"), emotion(10, 200_000)]
    file = tmp_path / "report.html"
    file.write_text(render([dialog_from_events(told, "standup")], "html", several=False), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_accessible_fits_and_asks_for_nothing(
    browser: Browser, report: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    with context.new_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert Axe().run(page).response["violations"] == []
        assert asked == [report.as_uri()]
    context.close()


def test_its_own_policy_lets_it_look_as_it_should_and_nothing_complains(browser: Browser, report: Path) -> None:
    with browser.new_page() as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(report.as_uri())
        assert page.locator("article").evaluate("node => getComputedStyle(node).borderTopWidth") == "1px"
        assert complaints == []
