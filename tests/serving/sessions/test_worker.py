import json
import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest
from waiting import PATIENCE_S

from serving.rooms.broadcast import Broadcast, Channel, Subscription
from serving.sessions.worker import SessionWorker
from stream.media import AudioChunk, VideoFrame
from stream.sources.remote import RemoteSource
from wire import events
from wire.events import Event, Totals
from wire.settings import ClientSettings

Emit = Callable[[Event], None]


class Counting:
    """Tells a partial transcript for each sound, and counts."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.sounds = 0
        self.closed = False

    def push(self, _: AudioChunk | VideoFrame) -> None:
        self.sounds += 1
        self.emit(events.TranscriptPartial(utterance=0, speaker="Ann", start_ms=0, text="so"))

    def poll(self) -> None:
        pass

    def finish(self) -> Totals:
        return self.totals

    def close(self) -> None:
        self.closed = True

    @property
    def totals(self) -> Totals:
        return Totals(audio_chunks=self.sounds)


class Broken(Counting):
    def push(self, _: AudioChunk | VideoFrame) -> None:
        message = "no sound today"
        raise RuntimeError(message)


class Late(Counting):
    """Finishes only when it is let, and has something to say even then."""

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit)
        self.finishing = threading.Event()
        self.let = threading.Event()
        self.said = threading.Event()

    def finish(self) -> Totals:
        self.finishing.set()
        self.let.wait(PATIENCE_S)
        self.emit(events.Warning(code="late", message="late"))
        self.said.set()
        return super().finish()


@pytest.fixture
def broadcast() -> Broadcast:
    return Broadcast(capacity=64, patience_s=10)


@pytest.fixture
def channel(broadcast: Broadcast) -> Channel:
    return broadcast.open()


@pytest.fixture
def source() -> RemoteSource:
    source = RemoteSource("a test")
    source.push_audio(0, np.zeros(1600, np.float32))
    source.close()
    return source


def told(watcher: Subscription) -> list[str]:
    messages = []
    while (message := watcher.take()) is not None:
        messages.append(json.loads(message)["type"])
    return messages


def start(source: RemoteSource, channel: Channel, make: Callable[[Emit], object], **client: bool) -> SessionWorker:
    settings = ClientSettings.model_validate(client)
    worker = SessionWorker(source, channel, make, settings)  # type: ignore[arg-type] # behaves as a session
    worker.start()
    return worker


def test_a_source_is_read_to_its_end(broadcast: Broadcast, channel: Channel, source: RemoteSource) -> None:
    watcher = broadcast.subscribe(lambda: None)
    outcome = start(source, channel, Counting).done.result(PATIENCE_S)
    assert (outcome.reason, outcome.totals.audio_chunks) == ("remote.ended", 1)
    assert told(watcher) == ["transcript.partial"]


def test_what_the_client_does_not_want_is_left_out(
    broadcast: Broadcast, channel: Channel, source: RemoteSource
) -> None:
    watcher = broadcast.subscribe(lambda: None)
    start(source, channel, Counting, partial_transcripts=False).done.result(PATIENCE_S)
    assert told(watcher) == []


def test_a_session_that_breaks_says_so_and_is_done(
    broadcast: Broadcast, channel: Channel, source: RemoteSource
) -> None:
    watcher = broadcast.subscribe(lambda: None)
    assert start(source, channel, Broken).done.result(PATIENCE_S).reason == "failed"
    assert told(watcher) == ["error"]


def test_a_session_that_can_not_be_made_is_done_too(channel: Channel, source: RemoteSource) -> None:
    def make(_: Emit) -> Counting:
        message = "no models"
        raise RuntimeError(message)

    assert start(source, channel, make).done.result(PATIENCE_S).reason == "failed"


def test_a_session_is_stopped_while_its_source_goes_on(channel: Channel) -> None:
    worker = start(RemoteSource("endless"), channel, Counting)
    worker.stop()
    assert worker.done.result(PATIENCE_S).totals == Totals()


def test_a_session_that_was_given_up_is_heard_no_more(
    broadcast: Broadcast, channel: Channel, source: RemoteSource
) -> None:
    watcher = broadcast.subscribe(lambda: None)
    made: Future[Late] = Future()

    def make(emit: Emit) -> Late:
        made.set_result(Late(emit))
        return made.result()

    worker = start(source, channel, make)
    session = made.result(PATIENCE_S)
    assert session.finishing.wait(PATIENCE_S)
    worker.abandon()
    assert worker.done.result(0).reason == "abandoned"
    session.let.set()
    assert session.said.wait(PATIENCE_S)
    assert told(watcher) == ["transcript.partial"]


def test_whatever_ends_its_thread_is_told(broadcast: Broadcast, channel: Channel) -> None:
    watcher = broadcast.subscribe(lambda: None)

    def make(_: Emit) -> Counting:
        raise SystemExit(3)

    worker = SessionWorker(RemoteSource("Ann"), channel, make, ClientSettings())
    worker.start()
    assert worker.done.result(PATIENCE_S).reason == "failed"
    (error,) = [json.loads(message) for message in iter(watcher.take, None)]
    assert (error["code"], error["fatal"]) == ("internal", True)
