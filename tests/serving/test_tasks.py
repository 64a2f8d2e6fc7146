"""Whatever breaks in the server's tasks ends what can't go on without it, with a reason, a log entry and a count."""

import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from running_server import Running, closing, event, get, running, sound, tone, until
from waiting import wait_until_async
from websockets.exceptions import ConnectionClosed

from models.threads import broken_parts
from serving.http.guarded_connection import GuardedConnection
from serving.live import Plan
from serving.report import ServerReport
from serving.rooms.broadcast import Broadcast
from serving.rooms.rooms import Rooms
from serving.sessions.client import Client
from serving.sessions.limits import IdleWatch
from serving.sessions.outbox import Outbox
from serving.sessions.registry import SessionRegistry
from serving.sessions.watcher import WatcherConnection
from serving.telemetry.loop_lag import LagCounts
from stream.sources.file import FileSource

CLIENT, WATCHER, ROOM = "/v1/stream", "/v1/events", "/v1/stream?room=R&name=Ana"


def boom(*_: object, **__: object) -> NoReturn:
    message = "what Ana said"
    raise ValueError(message)


@pytest.fixture(autouse=True)
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged as an error, all of it with where it happened."""

    def logged() -> list[str]:
        found = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert all(record.exc_info for record in found)
        return [record.getMessage() for record in found]

    return logged


async def counted(run: Running, part: str) -> float:
    """Return how often a part of the program is said to have broken."""
    _, _, body = await get(run.port, "/metrics")
    lines = [line for line in body.decode().splitlines() if line.startswith(f'm2fnet_broken_total{{part="{part}"}}')]
    return float(lines[0].split()[-1]) if lines else 0.0


async def boom_later(*_: object) -> NoReturn:
    boom()


@pytest.mark.parametrize(
    ("place", "broken", "path", "part"),
    [
        ((Outbox, "drain"), boom_later, CLIENT, "connection"),
        ((Outbox, "drain"), boom_later, WATCHER, "connection"),
        ((Client, "receive"), boom, CLIENT, "connection"),
        ((Client, "receive"), boom, ROOM, "connection"),
        ((WatcherConnection, "receive"), boom, WATCHER, "connection"),
        ((IdleWatch, "look_in_s"), boom, CLIENT, "idleness"),
        ((Client, "_measure"), boom_later, ROOM, "round trip"),
    ],
)
async def test_a_task_of_a_connection_that_breaks_ends_it_with_a_reason_and_frees_its_place(
    place: tuple[type, str],
    broken: Callable[..., Any],
    path: str,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    errors: Callable[[], list[str]],
) -> None:
    before = broken_parts().get(part, 0)
    async with running(max_sessions=1, max_watchers=1) as run:
        with monkeypatch.context() as patch:
            patch.setattr(*place, broken)
            connection = await run.open(path)
            with contextlib.suppress(ConnectionClosed):
                await connection.send("{}" if path == WATCHER else sound())
            _, code, reason = await closing(connection)
        assert (code, reason) == (1011, "failed")
        await run.until(lambda health: health["sessions"] + health["watchers"] == 0)
        assert await counted(run, part) == before + 1
        again = await run.open(path)
        await again.send(sound())
        await event(again)
    assert errors() == [f"the task {part} broke"]


async def test_a_session_whose_end_breaks_frees_its_place(
    monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    async with running(max_sessions=1) as run:
        with monkeypatch.context() as patch:
            patch.setattr(Rooms, "left", boom)
            connection = await run.open(ROOM)
            await until(connection, "session.created")
            await connection.send(json.dumps({"type": "session.close"}))
            got, code, reason = await closing(connection)
        assert (got[-1]["type"], code, reason) == ("session.closed", 1011, "failed")
        await run.until(lambda health: health["sessions"] == 0)
    assert errors() == ["the task connection broke"]


@pytest.mark.parametrize("path", [CLIENT, WATCHER, ROOM])
async def test_a_connection_that_cannot_be_let_in_is_closed_with_a_reason_and_takes_no_place(
    path: str, monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    async with running(room_linger_s=0) as run:
        monkeypatch.setattr(Broadcast, "subscribe", boom)
        _, code, reason = await closing(await run.open(path))
        assert (code, reason) == (1011, "failed")
        await run.until(lambda health: health["sessions"] + health["watchers"] + health["rooms"] == 0)
    assert errors() == ["the task connection broke"]


async def test_pings_that_break_end_their_connection(
    monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    async with running(ping_interval_s=0.1) as run:
        monkeypatch.setattr(GuardedConnection, "ping", boom)
        connection = await run.open(CLIENT)
        await connection.wait_closed()
        await run.until(lambda health: health["sessions"] == 0)
        assert await counted(run, "pings") >= 1
    assert "the task pings broke" in errors()


async def test_the_loops_watch_that_breaks_is_noted_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    before = broken_parts().get("loop watch", 0)
    monkeypatch.setattr(LagCounts, "note", boom)
    async with running() as run:
        await wait_until_async(lambda: broken_parts().get("loop watch", 0) == before + 1)
        client = await run.open()
        await client.send(sound())
        await until(client, "emotion")
        assert await counted(run, "loop watch") == before + 1
    assert errors() == ["the task loop watch broke"]


async def test_what_is_called_later_and_breaks_is_noted(
    monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    before = broken_parts().get("callback", 0)
    monkeypatch.setattr(Rooms, "_forget", boom)
    async with running(room_linger_s=0.1) as run:
        connection = await run.open(ROOM)
        await connection.close()
        await wait_until_async(lambda: broken_parts().get("callback", 0) == before + 1)
    assert errors() == ["the task callback broke"]


async def test_a_request_whose_answer_breaks_gets_one_all_the_same(
    monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(ServerReport, "health", boom)
    async with running() as run:
        status, _, body = await get(run.port, "/healthz")
    assert (status, body) == (500, b"this could not be answered; the server's log says why\n")
    assert errors() == ["the task request broke"]


async def test_a_source_of_this_machine_that_breaks_is_over_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: Callable[[], list[str]]
) -> None:
    sources = [FileSource(tone(tmp_path / f"{number}.wav"), realtime=False) for number in range(2)]
    start = SessionRegistry.start

    def start_but_the_first(self: SessionRegistry, source: Any, *rest: Any) -> Any:  # noqa: ANN401 - passed on
        return start(self, source, *rest) if source.name == sources[1].name else boom()

    monkeypatch.setattr(SessionRegistry, "start", start_but_the_first)
    async with running(plan=Plan(sources, exit_when_done=True, wait_for_watcher=True)) as run:
        watcher = await run.open(WATCHER)
        got, code, _ = await closing(watcher)
        await run.ended
    ends = [message["reason"] for message in got if message["type"] == "session.closed"]
    assert (sorted(ends), code) == (["failed", "file.ended"], 1001)
    assert errors() == ["the task source broke"]
