"""The pages behind a proxy that shows the server under a path of its own: everything they name and open is there."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect
from reverse_proxy import Proxy, proxied
from running_server import in_a_thread, running

pytestmark = pytest.mark.browser

PREFIX = "/emo"


@contextlib.asynccontextmanager
async def behind(make: Callable[[int], Proxy], **limits: object) -> AsyncIterator[int]:
    async with running(**limits) as run, proxied(make(run.port)) as port:
        yield port


@pytest.fixture(
    scope="module",
    params=[(True, False, False), (True, True, False), (False, False, True)],
    ids=["strips", "strips_and_tells", "leaves_it_to_the_setting"],
)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    strips, tells, is_set = request.param
    make = partial(Proxy, prefix=PREFIX, strips=strips, tells=tells)
    with in_a_thread(lambda: behind(make, **({"path_prefix": PREFIX} if is_set else {}))) as port:
        yield f"http://localhost:{port}{PREFIX}"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    missing: list[str] = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    page.on("pageerror", lambda error: missing.append(str(error)))
    yield page
    context.close()
    assert missing == []


def test_the_page_and_the_way_to_a_call(page: Page, address: str) -> None:
    page.goto(f"{address}/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected")
    page.get_by_role("link", name="Start a call").click()
    page.wait_for_url(f"{address}/call")
    page.get_by_role("link", name="M2FNet").click()
    page.wait_for_url(f"{address}/")


def test_a_call_its_link_and_its_export(page: Page, address: str) -> None:
    page.goto(f"{address}/call?room=stand+up")
    page.get_by_label("Your name").fill("Ana")
    for device in ("Camera", "Microphone"):
        page.get_by_role("checkbox", name=device).uncheck()
    page.get_by_label("I agree").check()
    for _ in range(2):  # the second time with the key of the first
        page.get_by_role("button", name="Join", exact=True).click()
        expect(page.locator(".tile[data-name=Ana]")).to_be_visible()
        page.reload()
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator(".tile[data-name=Ana]")).to_be_visible()
    assert page.url == f"{address}/call?room=stand+up"
    page.locator("#copy").click()
    expect(page.locator("#notices")).to_contain_text(f"{address}/call?room=stand+up")
    page.locator("#save summary").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON").click()
    assert saved.value.suggested_filename.endswith(".json")


def test_to_watch_a_call(page: Page, address: str) -> None:
    page.goto(f"{address}/call")
    page.get_by_label("Room").fill("R")
    page.locator("#watch-button").click()
    page.wait_for_url(f"{address}/call?room=R&watch=1")
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected")


def test_the_dashboard_and_the_overlay(page: Page, address: str) -> None:
    page.goto(f"{address}/dashboard")
    expect(page.locator("main")).to_be_visible()
    page.goto(f"{address}/overlay")
    expect(page.locator("body")).to_have_attribute("data-state", "connected")


@pytest.mark.parametrize("address", [(True, True, False), (False, False, True)], indirect=True, ids=str)
def test_without_the_slash_at_its_end(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected")
