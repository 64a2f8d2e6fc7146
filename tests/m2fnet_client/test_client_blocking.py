"""The blocking client, with the real server in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from running_server import running, tone

from m2fnet_client import ClosedError, RefusedError, UnreachableError, connect_sync, watch_sync
from m2fnet_client.blocking import portal
from wire import events
from wire.settings import ClientSettings


@pytest.fixture
def url() -> Iterator[str]:
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        done = asyncio.Event()
        async with running(max_sessions=1) as run:
            started.set_result((run.port, asyncio.get_running_loop(), done))
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    port, loop, done = started.result()
    yield f"http://127.0.0.1:{port}/"
    loop.call_soon_threadsafe(done.set)
    thread.join()


def client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "m2fnet client"]


def test_a_session_from_beginning_to_end(url: str, tmp_path: Path) -> None:
    with connect_sync(url, name="Ann") as session:
        session.configure(ClientSettings(partial_transcripts=False))
        session.send_audio(0, np.zeros(1_600, np.float32))
        assert session.send_file(tone(tmp_path / "tone.wav"), start_ms=100) == 600
        closed = session.finish()
        told = list(session)
        assert (session.labels, session.key, session.position) == (["neutral", "joy"], "", None)
    assert told[-1] == closed
    emotions = [event for event in told if isinstance(event, events.Emotion)]
    assert [(event.start_ms, event.speaker) for event in emotions] == [(start, "Ann") for start in range(0, 600, 100)]
    assert not any(isinstance(event, events.TranscriptPartial) for event in told)
    assert not client_threads()


def test_a_watcher_sees_the_session(url: str) -> None:
    with watch_sync(url) as watcher, connect_sync(url) as session:
        session.send_audio(0, bytes(3_200))
        seen = next(event for event in watcher if isinstance(event, events.Emotion))
        assert seen.session == session.id
    assert not client_threads()


def test_one_thread_sends_while_another_reads(url: str) -> None:
    with connect_sync(url) as session:
        reader = threading.Thread(target=lambda: told.extend(session))
        told: list[object] = []
        reader.start()
        for index in range(5):
            session.send_audio(100 * index, bytes(3_200))
        session.finish()
        reader.join()
    assert sum(isinstance(event, events.Emotion) for event in told) == 5


def test_errors_come_as_in_the_other_client(url: str) -> None:
    with connect_sync(url), pytest.raises(RefusedError, match="try again later"), connect_sync(url):
        pass
    with pytest.raises(UnreachableError), connect_sync("127.0.0.1:1"):
        pass
    with pytest.raises(UnreachableError), watch_sync("127.0.0.1:1") as watcher:
        next(watcher)
    with connect_sync(url) as session:
        session.finish()
        with pytest.raises(ClosedError):
            session.send_audio(0, bytes(2))
    assert not client_threads()


async def test_it_works_where_a_loop_runs_already(url: str) -> None:
    """As in a notebook."""
    with connect_sync(url) as session:
        assert session.finish().reason == "client"


def test_where_there_can_be_no_event_loop_it_says_so_instead_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more_files(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("asyncio.runners.events.new_event_loop", no_more_files)
    with pytest.raises(OSError, match="Too many open files"), portal():
        pass
