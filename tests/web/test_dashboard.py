"""The dashboard in headless Chromium, in front of a real server; what its sessions say is scripted."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import check_accessible
from playwright.sync_api import BrowserContext, Page, Route, expect
from running_server import Running, running, sound, until
from waiting import PATIENCE_S

pytestmark = pytest.mark.browser

NARROW, LAPTOP, WIDE = 390, 1280, 1920
HOSTILE = "<img src=x onerror='window.hacked=1'>"


@dataclass
class Live:
    """A server in a thread of its own."""

    run: Running
    loop: asyncio.AbstractEventLoop
    leave: asyncio.Event

    @property
    def address(self) -> str:
        return f"http://localhost:{self.run.port}/dashboard"

    def join(self, room: str, name: str) -> None:
        """Be a participant who says something."""

        async def speak() -> None:
            client = await self.run.open(f"/v1/stream?room={room}&name={name}")
            await client.send(sound())
            await client.send("garbage")
            await until(client, "error")

        asyncio.run_coroutine_threadsafe(speak(), self.loop).result(PATIENCE_S)

    def stop(self) -> None:
        """Stop the server, and wait until it has."""
        self.loop.call_soon_threadsafe(self.run.stop.set)
        asyncio.run_coroutine_threadsafe(asyncio.wait([self.run.ended]), self.loop).result(PATIENCE_S)


Start = Callable[..., Live]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[tuple[Live, threading.Thread]] = []

    def begin(**limits: float) -> Live:
        ready: Future[Live] = Future()

        async def serve() -> None:
            async with running(**limits) as run:
                live = Live(run, asyncio.get_running_loop(), asyncio.Event())
                ready.set_result(live)
                await live.leave.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        started.append((ready.result(PATIENCE_S), thread))
        return started[-1][0]

    yield begin
    for live, thread in started:
        live.loop.call_soon_threadsafe(live.leave.set)
        thread.join(PATIENCE_S)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page broke: {error}"))
    return page


def opened(page: Page, live: Live) -> Page:
    page.goto(live.address)
    expect(page.locator("main")).to_be_visible()
    return page


def cells(page: Page, table: str) -> list[list[str]]:
    return [row.locator("th, td").all_inner_texts() for row in page.locator(f"#{table} tbody tr").all()]


def test_it_shows_how_the_server_stands_and_follows_it(page: Page, start: Start) -> None:
    live = start(max_sessions=2)
    opened(page, live)
    expect(page.locator("#connection")).to_have_text("Ready for sessions")
    expect(page.locator("#sessions-now")).to_have_text("0 of 2")
    expect(page.locator("#latency")).to_be_hidden()
    expect(page.get_by_text("No session is open.")).to_be_visible()

    live.join("Sales", "Ana")
    expect(page.locator("#sessions-now")).to_have_text("1 of 2")
    assert cells(page, "sessions") == [["1", "Sales", "0:00", "1", "0 of 0", "0"]]
    assert cells(page, "rooms") == [["Sales", "1", "open"]]
    assert [row[0] for row in cells(page, "latency")] == ["endpoint", "transcript", "features", "fusion", "total"]
    assert cells(page, "trouble") == [["json.invalid", "error", "1"]]
    assert cells(page, "drops") == [["face input", "deadline", "2"]]
    assert cells(page, "networks") == [["face", "6", "3", "167 ms", "2"]]
    expect(page.locator("#engine-building")).to_have_text("better")
    expect(page.locator("#fallbacks")).to_have_text("worse was given up: it broke")
    expect(page.locator("#speech-again")).to_have_text("1")
    expect(page.locator("#loop")).to_contain_text("at most")

    live.join("Sales", "Bob")
    expect(page.locator("#connection")).to_contain_text("Not ready: the server is full")
    assert "Ana" not in page.content()


def test_a_name_of_a_room_is_text_and_nothing_else(page: Page, start: Start) -> None:
    live = start()
    live.join(HOSTILE.replace(" ", "+"), "Ana")
    opened(page, live)
    expect(page.locator("#rooms tbody th")).to_have_text(HOSTILE)
    assert page.evaluate("window.hacked") is None


def test_it_says_plainly_when_the_server_is_gone_and_keeps_what_it_showed(page: Page, start: Start) -> None:
    live = start()
    live.join("Sales", "Ana")
    opened(page, live)
    expect(page.locator("#sessions-now")).to_have_text("1 of 8")
    live.stop()
    status = page.locator("#connection")
    expect(status).to_contain_text("No answer from the server since")
    expect(status).to_contain_text("What is shown is from before.")
    expect(page.locator("main")).to_have_class("stale")
    expect(page.locator("#sessions-now")).to_have_text("1 of 8")


def test_it_comes_back_when_the_server_does(page: Page, start: Start) -> None:
    live = start()
    fail = True

    def answer(route: Route) -> None:
        route.fulfill(status=503, body="busy") if fail else route.continue_()

    page.route("**/v1/status", answer)
    page.goto(live.address)
    expect(page.locator("#connection")).to_contain_text("it answers 503")
    expect(page.locator("main")).to_be_hidden()
    fail = False
    expect(page.locator("#connection")).to_have_text("Ready for sessions")
    expect(page.locator("main")).not_to_have_class("stale")


def test_a_server_that_wants_a_token_gets_it_in_a_header(page: Page, start: Start) -> None:
    live = start()
    tokens: list[str | None] = []

    def answer(route: Route) -> None:
        tokens.append(route.request.headers.get("authorization"))
        right = tokens[-1] == "Bearer s3cr3t"
        route.continue_() if right else route.fulfill(status=401, body="a token is needed")

    page.route("**/v1/status", answer)
    page.goto(live.address)
    expect(page.locator("#connection")).to_have_text("A token is needed")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Show the dashboard").click()
    expect(page.locator("#connection")).to_have_text("This token is not right")
    page.get_by_label("Token").fill("s3cr3t")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_visible()
    expect(page.locator("#door")).to_be_hidden()
    assert tokens[0] is None
    assert "s3cr3t" not in page.url
    page.reload()
    expect(page.locator("main")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, LAPTOP, WIDE])
def test_it_fits_and_is_accessible(page: Page, start: Start, width: int, scheme: Any) -> None:  # noqa: ANN401 - a literal
    live = start()
    for name in ("Ana", "Bob"):
        live.join("A+rather+long+name+of+a+room+that+people+chose", name)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened(page, live)
    expect(page.locator("#sessions tbody tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    check_accessible(page)


def test_tables_are_reached_by_keyboard_and_have_captions_and_headings(page: Page, start: Start) -> None:
    live = start()
    live.join("Sales", "Ana")
    opened(page, live)
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("tbody tr").count() == table.locator("tbody th[scope=row]").count()
    assert page.locator("[aria-live], [role=status]").count() == 1  # figures that change are not read out
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-labelledby')"))
    assert {"latency-title", "sessions-title", "engine-title", "drops-title"} <= reached


def test_nothing_of_the_page_is_inline_and_nothing_comes_from_elsewhere(page: Page, start: Start) -> None:
    live = start()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    opened(page, live)
    assert page.locator("script:not([src]), style, [style], [onclick]").count() == 0
    origin = live.address.removesuffix("/dashboard")
    assert not [url for url in asked if not url.startswith((origin, "data:"))]
    assert not [text for text in said if re.search("Content Security Policy", text)]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (4.24, "4.2 ms"), (628.4, "628 ms"), (2446, "2.4 s"), (12_345, "12 s")],
)
def test_durations_are_told_as_exactly_as_it_matters(page: Page, start: Start, ms: float, text: str) -> None:
    opened(page, start())
    argument = json.dumps(ms)
    assert page.evaluate(f"import('/web/dashboard.js').then((m) => m.duration({argument}))") == text
