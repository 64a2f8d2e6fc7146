"""The page and the real server with the real models: what a user sees of a camera and of a file."""

import re
from pathlib import Path

import pytest
from conftest import Launch, Serve
from fake_devices import CLIP, device_arguments
from playwright.sync_api import Locator, Page, expect

from models.labels import LABELS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

HOSTILE_NAME = "<img src=x onerror='window.hacked=1'>"
SEVERAL_WORDS = re.compile(r"\w+ \w+ \w+")
PATIENCE_MS = 120_000  # for machines that are busy; nothing here says how fast the server is


def open_page(launch: Launch, address: str, *arguments: str) -> Page:
    page = launch(*arguments).new_page(viewport={"width": 1360, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected", timeout=PATIENCE_MS)
    return page


def finished_rows(page: Page) -> Locator:
    return page.locator("#dialog li.final")


def test_own_camera_and_microphone_become_faces_and_emotions(serve: Serve, launch: Launch, tmp_path: Path) -> None:
    page = open_page(launch, serve().address, *device_arguments(tmp_path, over_and_over=True))
    page.get_by_label("Your name").fill(HOSTILE_NAME)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".face").first).to_contain_text(re.compile("|".join(LABELS)), timeout=PATIENCE_MS)
    row = finished_rows(page).filter(has=page.locator(".text", has_text=SEVERAL_WORDS)).first
    expect(row).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start")).to_be_enabled(timeout=PATIENCE_MS)

    assert row.locator(".emotion b").inner_text() in LABELS
    # Whether the face is among them depends on how many frames this machine has time for.
    assert {"words", "voice"} <= set(row.locator(".tag:not(.absent)").all_inner_texts())
    expect(row.locator(".heading b")).to_have_text(HOSTILE_NAME)
    assert page.evaluate("window.hacked") is None
    expect(page.locator("#status")).to_contain_text("ended", timeout=PATIENCE_MS)
    expect(page.locator("#counts")).to_contain_text("server dropped")


def test_file_is_watched_also_by_who_comes_late_and_its_end_is_seen(serve: Serve, launch: Launch) -> None:
    server = serve("--source", str(CLIP), "--wait-for-watcher")
    page = open_page(launch, server.address)
    expect(page.locator("#stage")).to_have_class(re.compile("has-frame"), timeout=PATIENCE_MS)
    expect(page.locator(".face").first).to_be_visible(timeout=PATIENCE_MS)
    expect(finished_rows(page).nth(1)).to_be_visible(timeout=PATIENCE_MS)
    first = finished_rows(page).first.locator(".text").inner_text()

    late = open_page(launch, server.address)
    expect(finished_rows(late).first.locator(".text")).to_have_text(first)
    expect(late.locator("#timeline .strip button").first).to_be_visible()

    server.stop()
    expect(page.locator("#connection")).to_contain_text("The server was stopped", timeout=PATIENCE_MS)
    expect(finished_rows(page).first).to_be_visible()
