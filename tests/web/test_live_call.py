"""A call of two browsers with real clips as their devices, on the real server with the real models."""

import csv
import json
import re
from pathlib import Path

import pytest
from conftest import Launch, Serve
from fake_devices import ACTING, TALKING, Part, device_arguments
from playwright.sync_api import Locator, Page, expect

from models.labels import LABELS
from wire.events import NOT_SURE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

SEVERAL_WORDS = re.compile(r"\w+ \w+ \w+")
PATIENCE_MS = 300_000  # for machines that are busy; nothing here says how fast the server is
ROWS = """() => [...document.querySelectorAll("#dialog li.final")].map((row) => [
    row.querySelector(".heading b").textContent,
    row.querySelector(".heading time").textContent,
    row.querySelector(".text").textContent,
    row.querySelector(".emotion b").textContent,
])"""


def open_page(launch: Launch, address: str, *arguments: str) -> Page:
    page = launch(*arguments).new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    return page


def join(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected", timeout=PATIENCE_MS)
    expect(page.locator(f".tile[data-name={name}]")).to_be_visible(timeout=PATIENCE_MS)


def rows_of(page: Page, name: str) -> Locator:
    return page.locator("#dialog li.final").filter(has=page.locator(".heading b", has_text=name))


def finished_of(page: Page, name: str, count: int) -> None:
    """Wait until so many of somebody's utterances have their final emotion."""
    expect(rows_of(page, name).nth(count - 1)).to_be_attached(timeout=PATIENCE_MS)


def said_in(shown: str) -> str:
    """Return the words of a row, which says so where there are none."""
    return "" if shown == "(no words)" else shown


def same_dialog(pages: list[Page]) -> list[list[str]]:
    """Return the finished rows once they are the same on all pages; revisions arrive at one page after another."""
    for _ in range(600):
        shown: list[list[list[str]]] = [page.evaluate(ROWS) for page in pages]
        if all(rows == shown[0] for rows in shown):
            break
        pages[0].wait_for_timeout(250)
    assert all(rows == shown[0] for rows in shown), shown
    return shown[0]


def killed_and_opened_again(killed: Page, address: str) -> Page:
    """End a page as a crash does, without a word; its tab comes back with what the browser keeps of a tab."""
    kept = killed.evaluate("Object.entries(sessionStorage)")
    context = killed.context
    killed.close(run_before_unload=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(f"for (const [key, value] of {json.dumps(kept)}) sessionStorage.setItem(key, value)")
    page.goto(address)
    return page


def test_call_is_one_dialog_on_every_page_and_a_killed_page_misses_nothing(
    serve: Serve, launch: Launch, tmp_path: Path
) -> None:
    address = f"{serve().address}call?room=standup"

    def participant(name: str, part: Part) -> Page:
        folder = tmp_path / name
        folder.mkdir()
        page = open_page(launch, address, *device_arguments(folder, part=part, over_and_over=True))
        join(page, name)
        return page

    watcher = open_page(launch, f"{address}&watch=1")
    ana, ben = participant("Ana", ACTING), participant("Ben", TALKING)
    for name in ("Ana", "Ben"):
        finished_of(watcher, name, 1)
    for page in (watcher, ana, ben):
        expect(page.locator(".tile-name")).to_have_count(2)
        for name in ("Ana", "Ben"):  # not at once: a busy machine shows one now, the other then
            expect(page.locator(f".tile[data-name={name}] .stage.has-frame")).to_be_attached(timeout=PATIENCE_MS)

    before = rows_of(watcher, "Ana").count()
    ben = killed_and_opened_again(ben, address)
    finished_of(watcher, "Ana", before + 1)  # the others go on meanwhile
    join(ben, "Ben")
    finished_of(watcher, "Ben", 2)

    for page in (ana, ben):
        page.get_by_role("button", name="Microphone").click()  # silence: all that was begun comes to its end
    for page in (watcher, ana, ben):
        expect(page.locator("#dialog li:not(.final)")).to_have_count(0, timeout=PATIENCE_MS)
        expect(page.locator(".lane-name")).to_have_count(2)
    rows = same_dialog([watcher, ana, ben])
    assert {speaker for speaker, *_ in rows} == {"Ana", "Ben"}
    assert {label for *_, label in rows} <= {*LABELS, NOT_SURE}
    assert any(SEVERAL_WORDS.search(text) for _, _, text, _ in rows)

    watcher.get_by_text("Save dialog").click()
    with watcher.expect_download() as download:
        watcher.get_by_role("button", name="Table (CSV)").click()
    saved = download.value.path().read_text(encoding="utf-8-sig")
    assert [line["text"] for line in csv.DictReader(saved.splitlines())] == [said_in(text) for _, _, text, _ in rows]
