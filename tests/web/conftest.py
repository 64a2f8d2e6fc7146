"""Headless Chromium for the page's tests, and a page whose WebSockets the test itself answers."""

import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, WebSocketRoute, expect, sync_playwright
from waiting import PATIENCE_S

from models.labels import LABELS
from serving.http.pages import PAGES
from wire import events

ROOT = Path(__file__).parents[2]
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium_path() -> str:
    """Return the installed Chromium; skip the test when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine: apt-get install chromium")


PATIENCE_MS = int(1000 * PATIENCE_S)
expect.set_options(timeout=PATIENCE_MS)

Launch = Callable[..., Browser]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    chromium_path()
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def launch(playwright: Playwright) -> Iterator[Launch]:
    """Start Chromium with further arguments; all are closed at the end."""
    opened: list[Browser] = []

    def start(*arguments: str) -> Browser:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=[*CHROMIUM_ARGUMENTS, *arguments], headless=True
        )
        opened.append(browser)
        return browser

    yield start
    for browser in opened:
        browser.close()


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Browser:
    return launch()


class Server:
    """``m2fnet serve`` as a process of its own; ``address`` is its page's."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "cli", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.address = self._address()

    def _address(self) -> str:
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"open (http://\S+)", line):
                return found[1]
        pytest.fail("the server did not start:\n" + "".join(said))

    def stop(self) -> None:
        """Stop it as a user would; what it still says is read, so that it never waits for a reader."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_S)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server(*arguments))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


class WebFolder(SimpleHTTPRequestHandler):
    """Hands out ``web/`` under the server's addresses."""

    def translate_path(self, path: str) -> str:
        address = urlsplit(path).path
        return str(ROOT / (f"web/{PAGES[address]}" if address in PAGES else address.removeprefix("/")))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    """The address of a server of ``web/``: a page's worklets are out of the reach of Playwright's own routing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), WebFolder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


class ScriptedServer:
    """Answers the WebSocket of ``page``'s watcher with what the test says."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.sockets: list[WebSocketRoute] = []
        self.seq = 0
        page.route_web_socket("**/v1/events*", self._connected)

    def _connected(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)

    def open(self) -> None:
        self.page.goto(self.origin)
        self.page.wait_for_selector("#connection[data-state=connected]")

    def tell(self, event: events.EventBase, session: str = "s1", **more: object) -> None:
        self.seq += 1
        message = event.model_dump(mode="json") | {"session": session, "seq": self.seq} | more
        self.sockets[-1].send(json.dumps(message))

    def preview(self, kind: int, time_ms: int, payload: bytes, number: int = 1) -> None:
        self.sockets[-1].send(struct.pack("<BBHI", kind, 1, number, time_ms) + payload)

    def session(self, speaker: str = "Ada", session: str = "s1", number: int = 1) -> None:
        created = events.SessionCreated(labels=list(LABELS), speaker=speaker, engine="openvino", bundle="starter")
        self.tell(created, session=session, number=number)


@pytest.fixture(scope="module")
def modules(browser: Browser, origin: str) -> Iterator[Page]:
    """An empty page for pure modules, which leave nothing behind; loading one takes longer than a test."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{origin}/web/style.css")
    yield page
    page.close()


def run_module(page: Page, module: str, body: str, argument: object = None) -> Any:  # noqa: ANN401 - any JSON
    """Return what ``body`` returns with ``m``, a module of ours, and ``x``, the argument."""
    return page.evaluate(f"async (x) => {{ const m = await import('/web/{module}'); {body} }}", argument)


def check_accessible(page: Page) -> None:
    """Fail with what axe-core finds wrong with the page as it is now."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def jpeg(page: Page) -> bytes:
    """Return a 640 x 360 frame, drawn by the browser itself."""
    code = """async () => {
        const canvas = new OffscreenCanvas(640, 360);
        canvas.getContext("2d").fillRect(0, 0, 640, 360);
        const blob = await canvas.convertToBlob({ type: "image/jpeg" });
        return [...new Uint8Array(await blob.arrayBuffer())];
    }"""
    return bytes(page.evaluate(code))


def emotion(utterance: int, label: str = "joy", **changes: object) -> events.Emotion:
    """Return a final emotion of two seconds of speech; ``changes`` are fields to set."""
    rest = 0.3 / (len(LABELS) - 1)
    values: dict[str, object] = {
        "utterance": utterance,
        "revision": 0,
        "final": True,
        "speaker": "Ada",
        "start_ms": utterance * 3000,
        "end_ms": utterance * 3000 + 2000,
        "text": f"words of {utterance}",
        "label": label,
        "probabilities": {name: 0.7 if name == label else rest for name in LABELS},
        "modalities": ["text", "audio"],
        "latency": events.Latency(endpoint_ms=500, transcript_ms=310, features_ms=80, fusion_ms=4, total_ms=894),
    }
    return events.Emotion.model_validate(values | changes)


def started(utterance: int) -> events.SpeechStarted:
    return events.SpeechStarted(utterance=utterance, speaker="Ada", start_ms=utterance * 3000)


def partial(utterance: int, text: str) -> events.TranscriptPartial:
    return events.TranscriptPartial(utterance=utterance, speaker="Ada", start_ms=utterance * 3000, text=text)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def scripted(context: BrowserContext, origin: str) -> ScriptedServer:
    server = ScriptedServer(context.new_page(), origin)
    server.open()
    return server
