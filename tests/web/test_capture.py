"""The browser's own camera and microphone: what reaches the server, with files in the place of devices."""

import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from conftest import Launch, ScriptedServer
from fake_devices import RATE, device_arguments, talk
from playwright.sync_api import Browser, BrowserContext, WebSocketRoute, expect

from models.labels import LABELS
from serving.sessions.client_protocol import parse_message
from stream.jpeg import JpegFrame
from stream.media import AudioChunk, Image, Samples
from wire import events
from wire.control import SessionClose, SessionUpdate

pytestmark = pytest.mark.browser

NEEDED_S = 9  # the silence, and the two sentences
HOUR_MS = 3_600_000  # no machine is so busy that a page takes half of it
LATER = f"(() => {{ const now = performance.now.bind(performance); performance.now = () => now() + {HOUR_MS}; }})()"


class StreamEnd:
    """The server's end of ``/v1/stream``: keeps what comes over the last connection, says what the test wants."""

    def __init__(self, scripted: ScriptedServer) -> None:
        self.messages: list[str | bytes] = []
        self.sockets: list[WebSocketRoute] = []
        scripted.page.route_web_socket("**/v1/stream", self._connected)

    def tell(self, event: events.EventBase) -> None:
        self.sockets[-1].send(json.dumps(event.model_dump(mode="json") | {"session": "own"}))

    def _connected(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        self.messages = messages = []
        socket.on_message(lambda message: messages.append(message))  # noqa: PLW0108 - Playwright wants a function of Python
        self.tell(events.SessionCreated(labels=list(LABELS), speaker="Speaker 1", engine="e", bundle="b"))


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return launch(*device_arguments(tmp_path_factory.mktemp("devices")))


@pytest.fixture
def stream_end(scripted: ScriptedServer) -> StreamEnd:
    """The server's end of a page that has been open for an hour when it begins."""
    scripted.page.evaluate(LATER)
    return StreamEnd(scripted)


def wait_for_media(scripted: ScriptedServer, seconds: float) -> None:
    """Wait until the page says that it has sent about so much more; it says so once a second."""
    waiting = """async (frames) => {
        const counts = document.querySelector("#counts");
        const sent = () => Number((/sent (\\d+) frames/.exec(counts.textContent) ?? [0, 0])[1]);
        const before = sent();
        while (sent() < before + frames) await new Promise(requestAnimationFrame);
    }"""
    scripted.page.evaluate(waiting, seconds * 8 * 0.6)


def sound_of(chunks: list[AudioChunk]) -> Samples:
    return np.concatenate([chunk.samples for chunk in chunks])


def similarity(heard: Samples) -> float:
    """Return how much of the sentences is in ``heard`` at 16 kHz: their best normalised correlation, per 100 ms."""
    said = cv2.resize(talk().astype(np.float32)[None], (len(talk()) * 16_000 // RATE, 1), interpolation=cv2.INTER_AREA)[
        0
    ]
    size = 1 << (len(heard) + len(said)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    best = int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))
    found = heard[best : best + len(said)]
    said = said[: len(found)]
    return float(np.dot(found, said) / (np.linalg.norm(found) * np.linalg.norm(said)))


def decode(frame: JpegFrame) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_camera_and_microphone_reach_the_server_whole(scripted: ScriptedServer, stream_end: StreamEnd) -> None:
    page = scripted.page
    page.get_by_label("Your name").fill("Grace")
    page.get_by_role("button", name="Start").click()
    wait_for_media(scripted, NEEDED_S)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Finishing…")).to_be_visible()
    stream_end.tell(events.SessionClosed(reason="client", totals=events.Totals()))
    expect(page.get_by_role("button", name="Start")).to_be_enabled()

    parsed = [parse_message(message) for message in stream_end.messages]
    assert isinstance(parsed[0], SessionUpdate)
    assert parsed[0].settings.speaker == "Grace"
    assert isinstance(parsed[-1], SessionClose)
    chunks = [media for media in parsed if isinstance(media, AudioChunk)]
    steps = np.diff([chunk.time_ms for chunk in chunks])
    assert steps.min() >= 99  # nothing twice
    # One follows the other; a starved browser's device may pause, and times say so.
    assert abs(np.median(steps) - 100) <= 1
    assert similarity(sound_of(chunks)) > 0.5
    frames = [decode(media) for media in parsed if isinstance(media, JpegFrame)]
    assert {frame.shape for frame in frames} == {(360, 640, 3)}
    assert min(frame.std() for frame in frames) > 10
    times = [media.time_ms for media in parsed if isinstance(media, JpegFrame)]
    assert times == sorted(times)
    assert max(times[-1], chunks[-1].time_ms) < HOUR_MS / 2  # both are counted from the session's beginning


def test_own_frame_is_mirrored_with_its_boxes(scripted: ScriptedServer, stream_end: StreamEnd) -> None:
    page = scripted.page
    page.get_by_role("button", name="Start").click()
    wait_for_media(scripted, 1)
    time_ms = max(int(m.time_ms) for m in map(parse_message, stream_end.messages) if isinstance(m, JpegFrame))
    box = events.FaceBox(id=1, box=(64, 36, 192, 180), expression={"joy": 1.0})
    stream_end.tell(events.Faces(time_ms=time_ms, width=640, height=360, faces=[box]))
    expect(page.locator("#stage canvas")).to_have_class("mirrored")
    expect(page.locator(".face")).to_have_attribute("style", "left: 70%; top: 10%; width: 20%; height: 40%;")


def test_lost_connection_begins_a_new_session_at_time_zero(scripted: ScriptedServer, stream_end: StreamEnd) -> None:
    page = scripted.page
    page.get_by_role("button", name="Start").click()
    wait_for_media(scripted, 1)
    page.evaluate(LATER)
    stream_end.sockets[-1].close(code=1011, reason="failed")
    expect(page.locator(".notice")).to_contain_text("not analyzed until it is back")
    wait_for_media(scripted, 2)
    first = next(m for m in map(parse_message, stream_end.messages) if isinstance(m, AudioChunk))
    assert first.time_ms < HOUR_MS / 2  # counted from the new session's beginning, however late the page is
    assert len(stream_end.sockets) == 2


@pytest.fixture
def bare(context: BrowserContext, origin: str) -> Iterator[ScriptedServer]:
    """A page whose devices answer with an error."""
    page = context.new_page()
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotReadableError') }"
    )
    server = ScriptedServer(page, origin)
    server.open()
    yield server
    page.close()


def test_device_in_use_is_told_and_start_can_be_pressed_again(bare: ScriptedServer) -> None:
    bare.page.get_by_role("button", name="Start").click()
    expect(bare.page.locator(".notice.error")).to_contain_text("in use by another program")
    expect(bare.page.get_by_role("button", name="Start")).to_be_enabled()
