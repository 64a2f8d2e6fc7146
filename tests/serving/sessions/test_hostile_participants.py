"""A participant that does what it should not gets its documented answer, and the others notice nothing.

What the other participant of the room gets of its own session is compared with a call without the hostile one.
"""

import asyncio
import contextlib
import functools
import io
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from running_server import Running, closing, control, event, frame, kinds, running, sound, until
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serving.http.guarded_connection import MAX_UNREAD_BYTES
from serving.sessions.client_protocol import MAX_ERRORS_IN_A_ROW
from wire.media import HEADER, MediaKind, MediaMessage, encode_media

Message = dict[str, Any]
Hostile = Callable[[Running], Coroutine[Any, Any, None]]

PIECE = bytes(2 * 1_600)  # 100 ms
PIECES = 10
ROOM = "/v1/stream?room=call&name="
CLOSE_1009 = (1009).to_bytes(2, "big")  # no other frame has these bytes: the rest is ASCII
# The stand-in for a session tells two events of every piece of sound, which no real one does: a hostile one that sends
# hundreds at once would fill the usual queue. Pings and idleness are quick here, so that nobody waits for minutes.
LIMITS = {"watcher_queue": 4_096, "rate_patience_s": 0.3, "ping_interval_s": 0.1}
ALONE = {"rate_burst_s": 600.0}  # he waits for nobody then
OF_THE_CLOCK = {"room_start_ms", "seq", "session"}  # differ from call to call


async def joined(run: Running, name: str) -> ClientConnection:
    return await run.open(ROOM + name)


async def say(connection: ClientConnection, session: str, index: int) -> list[Message]:
    """Send a piece of sound and return the events up to its emotion."""
    await connection.send(sound(100 * index, PIECE))
    got = [await event(connection)]
    while (got[-1]["type"], got[-1]["session"]) != ("emotion", session):
        got.append(await event(connection))
    return got


async def call(
    limits: dict[str, object], hostile: Hostile | None = None, pieces: int = PIECES
) -> tuple[list[Message], int]:
    """Return what Bo gets of his own session, while somebody else does something, and how often he spoke.

    He speaks at least ``pieces`` times, and goes on until the other one is done.
    """
    async with running(**(LIMITS | limits)) as run:
        bo = await joined(run, "Bo")
        session = (await event(bo))["session"]
        doing = asyncio.create_task(hostile(run)) if hostile else None
        got: list[Message] = []
        count = 0
        while count < pieces or (doing is not None and not doing.done()):
            got += await say(bo, session, count)
            count += 1
            if doing is not None:
                await asyncio.sleep(0.01)
        if doing is not None:
            await doing
        await bo.send(control("session.close"))
        rest, code, _ = await closing(bo)
        assert code == 1000
        own = [message for message in got + rest if message["session"] == session and message["type"] != "clock.offset"]
        return [{key: value for key, value in message.items() if key not in OF_THE_CLOCK} for message in own], count


async def answers(connection: ClientConnection, session: str) -> tuple[list[Message], int]:
    """Return what a connection is still told of its own session, and its close code."""
    got, code, _ = await closing(connection)
    return [message for message in got if message["session"] == session], code


async def garbage(run: Running) -> None:
    mallory = await joined(run, "Mallory")
    session = (await event(mallory))["session"]
    for index in range(MAX_ERRORS_IN_A_ROW):
        await mallory.send([b"\x00", "{", control("no.such"), b"\x01\x09" + bytes(20), "\u2603" * 70_000][index % 5])
    got, code = await answers(mallory, session)
    assert {message["code"] for message in got if message["type"] == "error"} == {
        "media.header", "json.invalid", "type.unknown", "media.version", "message.too_long", "errors.too_many",
    }  # fmt: skip
    assert (got[-1]["type"], got[-1]["reason"], code) == ("session.closed", "errors", 1008)


async def handshaken(run: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection of a participant that does nothing by itself any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    lines = [
        f"GET {ROOM}Mallory HTTP/1.1", f"Host: 127.0.0.1:{run.port}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "",
    ]  # fmt: skip
    writer.write("\r\n".join(lines).encode())
    assert b" 101 " in await reader.readline()
    return reader, writer


async def a_message_of_50_mb(run: Running) -> None:
    watcher = await run.open("/v1/events?room=call")
    reader, writer = await handshaken(run)
    size = 50_000_000
    writer.write(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4) + bytes(size))
    left = (await until(watcher, "participant.left"))[-1]
    assert (left["name"], left["reason"]) == ("Mallory", "too_large")
    told = b""
    with contextlib.suppress(ConnectionResetError):  # the server does not take the rest
        while CLOSE_1009 not in told:
            told += await reader.read(1_000_000)
    assert CLOSE_1009 in told
    writer.transport.abort()


def bomb(time_ms: int) -> bytes:
    """Return a frame of some bytes that claims to have 65,000 by 65,000 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "JPEG")
    size = (48).to_bytes(2, "big") + (64).to_bytes(2, "big")
    data = file.getvalue()
    assert data.count(size) == 1
    return encode_media(MediaMessage(MediaKind.JPEG, time_ms, data.replace(size, (65_000).to_bytes(2, "big") * 2)))


async def jpeg_bombs(run: Running) -> None:
    mallory = await joined(run, "Mallory")
    session = (await event(mallory))["session"]
    for index in range(12):
        await mallory.send(bomb(40 * index))
    await mallory.send(frame(480))
    await mallory.send(control("session.close"))
    got, code = await answers(mallory, session)
    warnings = [message for message in got if message["type"] == "warning"]
    assert {message["code"] for message in warnings} == {"remote.costly_frame"}
    assert "1 frame(s) have more than 16 million pixels" in warnings[0]["message"]
    assert (kinds(got).count("faces"), code) == (1, 1000)  # the good one is seen
    assert got[-1]["totals"]["video_frames"] == 1


async def sound_at_100_times_real_time(run: Running) -> None:
    mallory = await joined(run, "Mallory")
    session = (await event(mallory))["session"]
    sent = 0
    hearing = asyncio.create_task(answers(mallory, session))
    with contextlib.suppress(ConnectionClosed):
        while not hearing.done():
            await mallory.send(sound(100 * sent, PIECE))
            sent += 1
            await asyncio.sleep(0.001)
    got, code = await hearing
    errors = [message for message in got if message["type"] == "error"]
    assert {message["code"] for message in errors} == {"rate.exceeded"}
    assert [message["fatal"] for message in errors] == [False] * (len(errors) - 1) + [True]
    assert len(errors) >= 2
    assert (got[-1]["reason"], code) == ("rate", 1008)
    assert got[-1]["totals"]["audio_chunks"] < sent


async def time_running_backwards(run: Running) -> None:
    mallory = await joined(run, "Mallory")
    session = (await event(mallory))["session"]
    for index in range(20):
        await mallory.send(sound(4_000_000 - 100_000 * index, PIECE))
    await mallory.send(control("session.close"))
    got, code = await answers(mallory, session)
    warnings = [message["message"] for message in got if message.get("code") == "remote.time_backward"]
    assert [warning.split()[0] for warning in warnings] == ["1", "10"]
    starts = [message["start_ms"] for message in got if message["type"] == "emotion"]
    assert (starts, code) == ([100 * index for index in range(20)], 1000)


async def nothing(run: Running) -> None:
    mallory = await joined(run, "Mallory")
    session = (await event(mallory))["session"]
    got, code = await answers(mallory, session)
    assert [(message["type"], message["code"]) for message in got if "code" in message] == [
        ("warning", "media.idle"),
        ("error", "media.idle"),
    ]
    assert (got[-1]["reason"], code) == ("idle", 1008)


async def a_half_open_connection(run: Running) -> None:
    watcher = await run.open("/v1/events?room=call")
    _, writer = await handshaken(run)
    left = (await until(watcher, "participant.left"))[-1]  # and not another word from it
    assert (left["name"], left["reason"]) == ("Mallory", "unreachable")
    writer.transport.abort()


async def pings_whose_answers_nobody_reads(run: Running) -> None:
    """Of what the server answers by itself 16 MB may wait; the sender then loses its connection."""
    _, writer = await handshaken(run)
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport of a socket reads, too
    pings = (b"\x89\xfd" + bytes(4) + bytes(125)) * 400
    sent = 0
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while sent < 10 * MAX_UNREAD_BYTES:
            writer.write(pings)
            await writer.drain()
            sent += len(pings)
    assert sent < 10 * MAX_UNREAD_BYTES
    writer.transport.abort()


CASES: list[tuple[Hostile, dict[str, object]]] = [
    (garbage, {}),
    (a_message_of_50_mb, {}),
    (jpeg_bombs, {}),
    (sound_at_100_times_real_time, {"rate_burst_s": 2.0}),
    (time_running_backwards, {}),
    (nothing, {"idle_timeout_s": 3.0}),
    (a_half_open_connection, {"ping_timeout_s": 3.0}),
    (pings_whose_answers_nobody_reads, {}),
]


@pytest.mark.parametrize(("hostile", "limits"), CASES, ids=[hostile.__name__ for hostile, _ in CASES])
async def test_the_others_notice_nothing(hostile: Hostile, limits: dict[str, object]) -> None:
    told, count = await call(limits, hostile)
    without_it, _ = await call(ALONE, pieces=count)
    assert kinds(without_it).count("emotion") == count >= PIECES
    assert told == without_it


pieces = (
    st.text(max_size=40)
    | st.binary(max_size=60)
    | st.builds(
        lambda kind, time_ms, payload: HEADER.pack(kind, 1, 0, time_ms) + payload,
        st.sampled_from(MediaKind),
        st.integers(0, 0xFFFF_FFFF),
        st.binary(max_size=200) | st.binary(max_size=60).map(b"\xff\xd8\xff".__add__),
    )
    | st.sampled_from([control("session.close"), control("session.update", settings={}), control("auth", token="x")])  # noqa: S106 - none
)
paths = st.sampled_from(
    [ROOM + "Mallory", ROOM + "bo", "/v1/stream", "/v1/events", "/v1/events?room=call&media=video", "/v1/stream?room=x"]
) | st.text("abc/?&=%1 ", max_size=20).map("/v1/stream?".__add__)


async def send_anything(run: Running, path: str, messages: list[str | bytes], raw: bytes) -> None:
    """Open a connection, say all of it, and go without a farewell; and once without even a handshake."""
    try:
        connection = await run.open(path.replace(" ", "%20"))
        for message in messages:
            await connection.send(message)
        connection.transport.abort()
    except (ConnectionClosed, InvalidStatus):
        pass
    _, writer = await asyncio.open_connection("127.0.0.1", run.port)
    writer.write(raw)
    writer.close()


@given(paths, st.lists(pieces, max_size=30), st.binary(max_size=200) | st.just(b"GET / HTTP/1.1\r\nHost: [\r\n\r\n"))
@settings(max_examples=10, deadline=None)
def test_whatever_one_client_sends_another_notices_nothing(path: str, messages: list[str | bytes], raw: bytes) -> None:
    told, count = asyncio.run(call({}, lambda run: send_anything(run, path, messages, raw)))
    assert told == undisturbed(count)


@functools.cache
def undisturbed(count: int) -> list[Message]:
    return asyncio.run(call(ALONE, pieces=count))[0]
