"""Headless Chromium for the page's tests, and a page whose WebSockets the test itself answers."""

import json
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, WebSocketRoute, expect, sync_playwright

from models.labels import LABELS
from serving.pages import PAGES
from stream import events

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


PATIENCE_MS = 60_000  # for machines that are busy
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
