"""The pages in Firefox: its microphone hears what the test plays, and the server says how loud that is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_devices import TALKING, write_microphone
from firefox import Firefox, firefox, firefox_path
from running_server import EverySound, in_a_thread, running
from sound_server import played, sound_server

from stream.media import AudioChunk, VideoFrame
from wire import events

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LOUD = "[...document.querySelectorAll('#dialog li.final')].some((row) => row.innerText.includes('loud'))"
CONNECTED = "document.querySelector('#connection').dataset.state === 'connected'"


class HowLoud(EverySound):
    """Says of each piece of sound whether there is speech in it."""

    def push(self, media: AudioChunk | VideoFrame) -> None:
        self.loud = isinstance(media, AudioChunk) and np.abs(media.samples).max() > 0.1
        super().push(media)

    def emotion(self, start_ms: int, end_ms: int) -> events.Emotion:
        told = super().emotion(start_ms, end_ms)
        return told.model_copy(update={"text": "loud"}) if self.loud else told


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    firefox_path()
    with in_a_thread(lambda: running(HowLoud)) as run:  # type: ignore[arg-type] # behaves as a session
        yield f"http://localhost:{run.port}"


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """A Firefox whose microphone hears two people talk, again and again."""
    firefox_path()
    folder = tmp_path_factory.mktemp("hearing")
    speech, profile = folder / "speech.wav", folder / "profile"
    profile.mkdir()
    write_microphone(speech, TALKING, times=100)
    with sound_server(folder) as there, played(speech, there), firefox(profile, there) as browser:
        yield browser


@pytest.fixture
def hearing(listener: Firefox) -> Iterator[Firefox]:
    yield listener
    listener.open("about:blank")  # and takes no time from the others


def test_microphone_becomes_rows_with_emotions(hearing: Firefox, address: str) -> None:
    hearing.open(address)
    hearing.wait_for(CONNECTED)
    hearing.click("#use-camera")
    hearing.click("#start")
    hearing.wait_for(LOUD)
    assert hearing.text("#dialog li.final .emotion b") == "joy"
    assert float(hearing.evaluate("document.querySelector('.meter').style.getPropertyValue('--level')")) > 0
    hearing.click("#start")
    hearing.wait_for("document.querySelector('#start').textContent === 'Start'")
    assert hearing.said == []


def test_call_is_joined_and_heard(hearing: Firefox, address: str) -> None:
    hearing.open(f"{address}/call?room=firefox")
    hearing.fill("#name", "Ada")
    hearing.click("#use-camera")
    hearing.click("#consent")
    hearing.click("#join-button")
    hearing.wait_for("document.querySelector('.tile[data-name=Ada]') !== null")
    hearing.wait_for(LOUD)
    assert hearing.evaluate(CONNECTED)
    assert hearing.said == []


def test_machine_without_sound_output_is_told_what_it_needs(address: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    with sound_server(tmp_path, output=False) as there, firefox(profile, there) as browser:
        browser.open(address)
        browser.click("#use-camera")
        browser.click("#start")
        browser.wait_for("document.querySelector('.notice.error') !== null")
        assert "it needs a sound output even to record" in browser.text(".notice.error")
        assert browser.text("#start") == "Start"
