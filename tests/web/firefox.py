"""Firefox as it is installed, over WebDriver BiDi: what its tests need of it, which Playwright can't say to it yet.

Playwright knows this protocol too, but opens no page in a Firefox that lacks one of the commands it sends first.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from waiting import wait_until
from websockets.sync.client import ClientConnection, connect

Message = dict[str, Any]

# The microphone is used without a question, which nobody would answer.
PREFERENCES: Final = {"media.navigator.permission.disabled": True, "browser.shell.checkDefaultBrowser": False}
SIZE: Final = {"width": 1360, "height": 900}


def firefox_path() -> str:
    """Return the installed Firefox; skip the test when there is none."""
    for name in ("firefox-esr", "firefox"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Firefox on this machine: apt-get install firefox-esr")


@contextmanager
def firefox(folder: Path, environment: Mapping[str, str]) -> Iterator["Firefox"]:
    """Run a Firefox with one tab; ``folder`` is an empty one for its profile, ``environment`` adds to ours."""
    preferences = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(preferences))
    command = [firefox_path(), "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
    log = folder / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file) as run,
    ):
        try:
            wait_until(lambda: "listening on ws" in log.read_text() or run.poll() is not None)
            found = re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text())
            assert found, log.read_text()
            # It may be too busy to answer pings.
            with connect(f"{found[1]}/session", max_size=None, ping_interval=None) as socket:
                yield Firefox(socket)
        finally:
            run.terminate()


class Firefox:
    """One tab; ``said`` are the lines of its console."""

    def __init__(self, socket: ClientConnection) -> None:
        self.said: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self._tab = self.call("browsingContext.getTree")["contexts"][0]["context"]
        self.call("browsingContext.setViewport", context=self._tab, viewport=SIZE)

    def call(self, method: str, **parameters: object) -> Message:
        """Return the result of a command of the protocol; what is told meanwhile goes into ``said``."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv())).get("id") != number:
            if message.get("method") == "log.entryAdded":
                self.said.append(str(message["params"]["text"]))
        assert message["type"] == "success", message
        result: Message = message["result"]
        return result

    def open(self, address: str) -> None:
        """Open a page and wait until it is loaded."""
        self.call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of an expression of the page."""
        code = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        told = self.call("script.evaluate", expression=code, target={"context": self._tab}, awaitPromise=True)
        assert told["type"] == "success", told["exceptionDetails"]
        return json.loads(told["result"]["value"])

    def wait_for(self, expression: str) -> None:
        """Wait until an expression of the page is true; the test's own limit ends it otherwise."""
        look = f"const look = () => (({expression}) ? resolve() : setTimeout(look, 100)); look()"
        self.evaluate(f"new Promise((resolve) => {{ {look} }})")

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def fill(self, selector: str, text: str) -> None:
        """Write into a field."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def click(self, selector: str) -> None:
        """Press the mouse on an element."""
        found = self.call("browsingContext.locateNodes", context=self._tab, locator={"type": "css", "value": selector})
        origin = {"type": "element", "element": {"sharedId": found["nodes"][0]["sharedId"]}}
        self.evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{ block: 'center' }})")
        steps = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.call(
            "input.performActions", context=self._tab, actions=[{"type": "pointer", "id": "mouse", "actions": steps}]
        )
