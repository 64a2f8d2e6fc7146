"""What is left of a session that breaks, wherever it does: no thread, no pending work, a reason and a log entry."""

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from scripted_speech import ScriptedSpeech
from speech_clips import ONE_SENTENCE, silence

from models.bundle import Bundle
from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from serving.rooms.broadcast import Broadcast
from serving.sessions.worker import Emit, SessionWorker
from stream.analysis import AnalysisError, analyze_file
from stream.dialog.utterances import Utterances
from stream.live_models import LiveModels
from stream.media import AudioChunk, DropCounts, Media, SourceStatus, VideoFrame
from stream.pipeline import run_session
from stream.session import Session
from stream.settings import Settings, TranscriberSettings
from stream.speech.segmenter import Segmenter
from stream.speech.stretches import StretchFinder
from stream.speech.transcript import Transcript
from wire import events
from wire.events import Event
from wire.settings import ClientSettings

WAIT_S = 60.0
SETTINGS = Settings()
END = SourceStatus("ended", "given.ended", "given has ended")
_SECRET = "what Ana said"  # noqa: S105 - what nobody may read in a log


class Given:
    """A source that has the given media, each item of which may be something to do instead."""

    name = "given"
    dropped = DropCounts()

    def __init__(self, *media: Media | Callable[[], None]) -> None:
        self._media = iter(media)
        self.stopped = False

    def start(self) -> None:
        pass

    def read(self, timeout: float | None = None) -> Media | None:  # noqa: ARG002 - it is there at once
        item = next(self._media)
        if callable(item):
            item()
            return None
        return item

    def stop(self) -> None:
        self.stopped = True


def speech() -> list[AudioChunk]:
    samples = np.concatenate([read_sound(ONE_SENTENCE), silence(1.0)])
    return [AudioChunk(at / 16, samples[at : at + 1_600]) for at in range(0, len(samples), 1_600)]


def frame(time_ms: float) -> VideoFrame:
    return VideoFrame(time_ms, np.zeros((48, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


def visions() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vision"]


def no_vision_is_left() -> bool:
    for thread in visions():
        thread.join(WAIT_S)
    return not visions()


def boom(*_: object, **__: object) -> None:
    raise RuntimeError(_SECRET)


def _ears(session: Session) -> Segmenter | StretchFinder:
    """What hears the sound first."""
    utterances = session._utterances
    return utterances._segmenter if isinstance(utterances, Utterances) else utterances._finder


class Breaks:
    """Breaks a session in one of its parts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._set = monkeypatch.setattr

    def push(self, session: Session) -> None:
        self._set(_ears(session), "push", boom)

    def poll(self, session: Session) -> None:
        self._set(session, "_tell_engine", boom)

    def conclude(self, session: Session) -> None:
        self._set(session._emotions, "keep", boom)

    def end(self, session: Session) -> None:
        self._set(_ears(session), "finish", boom)

    def finish(self, session: Session) -> None:
        self._set(session, "_conclude", lambda *, wait: boom() if wait else None)

    def emit(self, session: Session) -> None:
        self._set(session._emotions, "_emit", boom)


PLACES = ("push", "poll", "conclude", "end", "finish", "emit")


@pytest.mark.parametrize("live", [True, False], ids=["live", "file"])
@pytest.mark.parametrize("place", PLACES)
def test_a_session_that_breaks_leaves_no_thread_and_no_work(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, place: str, *, live: bool
) -> None:
    session = Session(
        LiveModels(runtime, ScriptedSpeech(), SETTINGS.vision), SETTINGS, lambda _: None, speaker="Ann", live=live
    )
    source = Given(frame(0), *speech(), END)
    getattr(Breaks(monkeypatch), place)(session)
    with pytest.raises(RuntimeError, match=_SECRET):
        run_session(source, session, threading.Event())
    assert source.stopped
    assert no_vision_is_left()
    assert not session._utterances.pending


def test_a_session_in_a_language_that_is_not_known_does_not_begin(runtime: Runtime, tmp_path: Path) -> None:
    models = LiveModels(runtime, ScriptedSpeech(), SETTINGS.vision)
    settings = Settings(transcriber=TranscriberSettings(language="de"))
    with pytest.raises(ValueError, match="no de, only en"):
        Session(models, settings, lambda _: None, speaker="Ann", live=True)
    with pytest.raises(AnalysisError, match="no de, only en"):
        analyze_file(tmp_path / "any.wav", models=models, settings=settings)
    assert not visions()


def test_what_a_broken_session_had_asked_for_is_taken_back(runtime: Runtime) -> None:
    asked: list[Future[Transcript]] = []
    slow = ScriptedSpeech(lambda future, _heard, _partial: asked.append(future))
    models = LiveModels(runtime, slow, SETTINGS.vision)
    session = Session(models, SETTINGS, lambda _: None, speaker="Ann", live=True)
    with pytest.raises(RuntimeError, match=_SECRET):
        run_session(Given(*speech(), boom), session, threading.Event())
    assert len(asked) >= 2, "the last words, and words so far"
    assert all(future.cancelled() for future in asked)


def test_the_session_breaks_when_its_vision_thread_does(runtime: Runtime) -> None:
    """What is told of frames is told in that thread; nobody waits for frames that it does not see any more."""
    broken = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, events.Faces | events.Warning):
            broken.set()
            boom()

    models = LiveModels(runtime, ScriptedSpeech(), SETTINGS.vision)
    session = Session(models, SETTINGS, emit, speaker="Ann", live=False)
    with pytest.raises(RuntimeError, match=_SECRET):
        run_session(Given(frame(0), lambda: assert_set(broken), *speech(), END), session, threading.Event())
    assert no_vision_is_left()


def assert_set(happened: threading.Event) -> None:
    assert happened.wait(WAIT_S)


def test_a_broken_session_is_logged_with_its_place_and_told_in_plain_words(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast = Broadcast(capacity=64, patience_s=10)
    watcher = broadcast.subscribe(lambda: None)
    models = LiveModels(runtime, ScriptedSpeech(), SETTINGS.vision)

    def make(emit: Emit) -> Session:
        return Session(models, SETTINGS, emit, speaker="Ann", live=True)

    with caplog.at_level(logging.ERROR, "m2fnet.session"):
        worker = SessionWorker(Given(frame(0), *speech(), boom), broadcast.open(), make, ClientSettings())
        worker.start()
        outcome = worker.done.result(WAIT_S)
    assert outcome.reason == "failed"
    assert outcome.totals.audio_chunks == len(speech()), "what it did is told all the same"
    (record,) = [record for record in caplog.records if record.name == "m2fnet.session"]
    assert (record.levelno, record.getMessage(), vars(record)["event"]) == (
        logging.ERROR,
        "session 1 broke",
        "session.broken",
    )
    assert record.exc_info is not None
    told = []
    while (message := watcher.take()) is not None:
        told.append(json.loads(message))
    (error,) = [event for event in told if event["type"] == "error"]
    assert (error["code"], error["fatal"]) == ("internal", True)
    assert _SECRET not in error["message"]
    assert "RuntimeError" not in error["message"]
    assert no_vision_is_left()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_without_an_error_ends_its_session(runtime: Runtime) -> None:
    """Nobody waits for ever for a session whose thread was ended by what is no Exception, as by a library's exit."""

    def leave() -> None:
        raise SystemExit

    models = LiveModels(runtime, ScriptedSpeech(), SETTINGS.vision)

    def make(emit: Emit) -> Session:
        return Session(models, SETTINGS, emit, speaker="Ann", live=True)

    worker = SessionWorker(Given(leave), Broadcast(capacity=64, patience_s=10).open(), make, ClientSettings())
    worker.start()
    assert worker.done.result(WAIT_S).reason == "failed"
    worker._thread.join(WAIT_S)
    assert no_vision_is_left()


class Interrupted(Future[Transcript]):
    """Gets Ctrl-C while it is waited for."""

    def result(self, timeout: float | None = None) -> Transcript:
        signal.raise_signal(signal.SIGINT)
        return super().result(timeout)


def test_ctrl_c_ends_the_analysis_of_a_file_that_waits_for_words(runtime: Runtime) -> None:
    models = LiveModels(runtime, ScriptedSpeech(lambda *_: None, Interrupted), SETTINGS.vision)
    session = Session(models, SETTINGS, lambda _: None, speaker="Ann", live=False)
    with pytest.raises(KeyboardInterrupt):
        run_session(Given(*speech(), END), session, threading.Event())
    assert no_vision_is_left()
