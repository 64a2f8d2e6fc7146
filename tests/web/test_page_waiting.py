"""What the pages wait for ends: by itself, at a limit with its reason, or because who waits calls it off."""

import socket
from collections.abc import Iterator

import pytest
from conftest import Launch, ScriptedServer, run_module
from fake_devices import device_arguments
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

pytestmark = pytest.mark.browser

STATES = """
    const client = new m.LiveClient(x.address, { attempts: x.attempts ?? Infinity });
    window.client = client;
    window.told = [];
    client.addEventListener("state", ({ detail: { state, reason, error } }) =>
        window.told.push([state, reason, error?.message]));
    client.connect();
"""
NO_ANSWER = ["reconnecting", "no answer", None]


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return launch(*device_arguments(tmp_path_factory.mktemp("devices")))


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ws://127.0.0.1:{server.getsockname()[1]}"


def states(scripted: ScriptedServer, address: str, **more: object) -> list[list[str]]:
    """Return the states of a client of ``address`` so far, a minute after it was connected."""
    scripted.page.clock.install()
    run_module(scripted.page, "client.js", STATES, {"address": address, **more})
    scripted.page.clock.run_for(11_000)
    told: list[list[str]] = scripted.page.evaluate("window.told")
    return told


def test_server_that_never_answers_is_as_good_as_lost(scripted: ScriptedServer, mute: str) -> None:
    assert states(scripted, f"{mute}/somewhere")[:2] == [["connecting", "", None], NO_ANSWER]


def test_session_that_is_never_answered_is_as_good_as_lost(scripted: ScriptedServer) -> None:
    scripted.page.route_web_socket("**/v1/stream", lambda _: None)
    assert NO_ANSWER in states(scripted, f"{scripted.origin}/v1/stream".replace("http", "ws"))


def test_watcher_has_nothing_to_be_told_and_stays(scripted: ScriptedServer) -> None:
    told = states(scripted, f"{scripted.origin}/v1/events".replace("http", "ws"))
    assert [state for state, *_ in told] == ["connecting", "connected"]


def test_program_is_told_when_the_server_is_gone_for_good(scripted: ScriptedServer, mute: str) -> None:
    scripted.page.clock.install()
    run_module(scripted.page, "client.js", STATES, {"address": mute, "attempts": 3})
    gone = "window.told.find(([state]) => state === 'closed')"
    while not scripted.page.evaluate(gone):
        scripted.page.clock.run_for(5_000)
    assert scripted.page.evaluate(gone)[2] == "The server does not answer: tried 3 times."


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1001, "The server was stopped (tried 4 times)."),
        (1012, "The server was stopped (tried 4 times)."),
        (1011, "The server does not answer (tried 4 times). Is it running?"),
    ],
)
def test_page_says_that_the_server_has_ended_and_tries_at_once_when_asked(
    scripted: ScriptedServer, code: int, words: str
) -> None:
    page, pill = scripted.page, scripted.page.locator("#connection")
    page.clock.install()
    refusing = True

    def connected(route: WebSocketRoute) -> None:
        if refusing:
            route.connect_to_server()  # which has no such address

    page.route_web_socket("**/v1/events*", connected)
    scripted.sockets[-1].close(code=code)
    while words not in (pill.text_content() or ""):
        page.clock.run_for(1_000)
    expect(pill.locator(".wait")).to_contain_text("Next try in")
    refusing = False
    pill.get_by_role("button", name="Try now").click()
    expect(pill).to_have_attribute("data-state", "connected")
    expect(pill.get_by_role("button")).to_be_hidden()


NEVER = "() => new Promise(() => {})"
SILENT = "() => ({ connect() {} })"


def stuck(scripted: ScriptedServer, place: str, instead: str) -> Page:
    """Return the page with something of the browser's that never comes, and start it."""
    scripted.page.add_init_script(f"{place} = {instead}")
    scripted.page.clock.install()
    scripted.open()
    scripted.page.get_by_role("button", name="Start").click()
    expect(scripted.page.get_by_role("button", name="Cancel")).to_be_enabled()
    return scripted.page


@pytest.mark.parametrize(
    ("place", "instead", "step", "words"),
    [
        ("HTMLMediaElement.prototype.play", NEVER, "camera is being started", "The camera gives no picture"),
        ("AudioWorklet.prototype.addModule", NEVER, "microphone is being started", "did not come from the server"),
        ("AudioContext.prototype.resume", NEVER, "microphone is being started", "needs a sound output even to record"),
        (
            "AudioContext.prototype.createMediaStreamSource",
            SILENT,
            "microphone is being",
            "No sound comes from the mic",
        ),
    ],
)
def test_step_of_opening_that_never_ends_is_told_with_what_to_do(
    scripted: ScriptedServer, place: str, instead: str, step: str, words: str
) -> None:
    page = stuck(scripted, place, instead)
    expect(page.locator("#opening")).to_contain_text(step)
    page.clock.run_for(11_000)
    expect(page.locator(".notice.error")).to_contain_text(words)
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    expect(page.locator("#opening")).to_be_empty()


def test_browsers_question_has_no_limit_and_can_be_called_off(scripted: ScriptedServer) -> None:
    asked = "async () => new Promise((resolve) => (window.answer = resolve))"
    page = stuck(scripted, "navigator.mediaDevices.getUserMedia", asked)
    page.clock.run_for(600_000)
    expect(page.locator("#opening")).to_contain_text("answer its question")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    expect(page.locator(".notice")).to_have_count(0)
    # A device that is allowed after all is let go at once.
    late = """async () => {
        const track = { stopped: false, stop() { this.stopped = true; } };
        window.answer({ getTracks: () => [track] });
        while (!track.stopped) await new Promise(requestAnimationFrame);
        return true;
    }"""
    assert page.evaluate(late)


def test_servers_sound_that_can_not_be_played_is_told(scripted: ScriptedServer) -> None:
    scripted.page.add_init_script(f"AudioContext.prototype.resume = {NEVER}")
    scripted.page.clock.install()
    scripted.open()
    button = scripted.page.get_by_role("button", name="Sound off")
    button.click()
    scripted.page.clock.run_for(11_000)
    expect(scripted.page.locator(".notice.error")).to_contain_text("does not start its sound")
    expect(button).to_be_enabled()


def test_joining_can_be_called_off_while_the_browser_asks(scripted: ScriptedServer) -> None:
    page = scripted.page
    page.add_init_script(f"navigator.mediaDevices.getUserMedia = {NEVER}")
    page.goto(f"{scripted.origin}/call?room=R")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator("#opening")).to_contain_text("answer its question")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Join", exact=True)).to_be_enabled()
    expect(page.locator("#lobby")).to_be_visible()
