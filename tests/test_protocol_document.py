"""What docs/protocol.md says is compared with the code, and its client is run."""

import asyncio
import json
import re
import sys
import types
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from running_server import running, tone

from serving.http import tokens
from serving.rooms import broadcast, clock_offset, history, watcher_queue
from serving.rooms.rooms import TOLD_MS
from serving.sessions import client_protocol, limits
from serving.sessions.connections import CLOSE_CODES
from stream import jpeg
from stream.settings import ServerSettings
from wire import control, events
from wire.control import CONTROL_TYPES, parse_control
from wire.errors import ErrorCode, ProtocolError
from wire.events import EVENT, EVENT_TYPES
from wire.media import HEADER, MediaKind
from wire.settings import ClientSettings, SegmenterSettings

DOCUMENT = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text under a heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/protocol.md has no heading {title!r}"
    return found[1]


def nested(model: type[BaseModel]) -> set[str]:
    """Return the names of the fields of a model and of the models in it."""
    inner = {part for field in model.model_fields.values() for part in (field.annotation, *get_args(field.annotation))}
    models = [part for part in inner if isinstance(part, type) and not isinstance(part, types.GenericAlias)]
    deeper = [nested(part) for part in models if issubclass(part, BaseModel)]
    return set(model.model_fields).union(*deeper)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_and_each_of_its_fields_is_described(name: str) -> None:
    described = section(f"`{name}`")
    for field in nested(EVENT_TYPES[name]) - {"type", "room", "session", "seq"}:
        assert f"`{field}`" in described, f"{name} has a field {field}"


def test_no_event_is_described_that_does_not_exist() -> None:
    assert set(re.findall(r"^### `(.+)`$", DOCUMENT, re.MULTILINE)) == {*EVENT_TYPES, *CONTROL_TYPES}


def test_every_client_setting_is_described() -> None:
    described = section("`session.update`")
    rows = re.findall(r"^\| `(\w+)` \|", described, re.MULTILINE)
    assert rows == [*ClientSettings.model_fields, *SegmenterSettings.model_fields]


def test_every_error_code_is_described_and_no_other() -> None:
    table = section("Codes").split("Of `error` events:")[1].split("Besides")[0]
    rows = [code for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for code in re.findall(r"`(.+?)`", row)]
    assert sorted(rows) == sorted(ErrorCode)


def test_the_close_codes_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| (\d+) \|$", section("Codes"), re.MULTILINE)
    assert {reason: int(code) for reason, code in rows} == {"client": 1000, **CLOSE_CODES}


def test_the_numbers_are_those_of_the_code() -> None:
    server, waiting = ServerSettings(), watcher_queue.WAITING_PREVIEWS
    for number in (
        f"A binary message is a header of {HEADER.size} bytes",
        f"`{HEADER.format}`",
        f"longer than {control.MAX_TEXT:,} characters",
        f"{client_protocol.MAX_ERRORS_IN_A_ROW} messages in a row",
        f"the last {broadcast.KEPT_ENDED_SESSIONS} that have ended",
        f"the last {history.KEPT_EMOTIONS} utterances",
        f"({server.max_rooms} unless set)",
        f"({server.max_participants} unless set)",
        f"({server.room_linger_s:.0f} s unless set)",
        f"({server.room_history} unless set)",
        f"the least of the last {clock_offset.WINDOW_MS / 1000:.0f} s",
        f"by more than {TOLD_MS:.0f} ms",
        f"({server.watcher_queue} unless set)",
        f"({server.watcher_patience_s:.0f} s\nunless set)",
        f"({server.max_message_bytes // 1_000_000} MB unless set)",
        f"({server.auth_timeout_s:.0f} s unless set)",
        f"sound {server.max_rate} times as fast as it is spoken, and {server.rate_burst_s:.0f} s of it at once",
        f"{server.max_frames_per_s:.0f} frames a second",
        f"frames a second, {server.max_frames_per_s * limits.FRAMES_BURST_S:.0f} at once",
        f"{limits.MESSAGES_PER_S:.0f} messages a second that are no media, {limits.MESSAGES_BURST:.0f} at once",
        f"{server.rate_patience_s:.0f} s of any of these three, without {limits.CALM_S:.0f} s of calm",
        f"at least {limits.SHORTEST_SOUND_MS:.0f} ms",
        f"{jpeg.MAX_PIXELS // 1_000_000} million pixels a frame; {jpeg.MAX_DECODED // 1_000_000} million",
        f"{server.idle_timeout_s:.0f} s without media | warning `media.idle` after {limits.WARN_AT:.0%}",
        f"a ping each {server.ping_interval_s:.0f} s, {server.ping_timeout_s:.0f} s for its answer",
        f"{server.handshake_timeout_s:.0f} s for TLS",
        f"{server.auth_timeout_s:.0f} s for the token",
        f"{server.max_connections_per_address} WebSockets",
        f"| {server.max_sessions}, {server.max_watchers} |",
        f"{server.max_rooms}, {server.max_participants} a room",
        f"by {tokens.FIRST_DELAY_S} s and, when there were more in the last minute",
        f"by up to {tokens.LONGEST_DELAY_S:.0f} s",
        f"at most {waiting[MediaKind.JPEG]} frames and {waiting[MediaKind.PCM_S16]} pieces of sound",
        f"(default `{server.host}:{server.port}`)",
    ):
        assert number in DOCUMENT


def test_the_conversation_is_one_that_can_be_had() -> None:
    lines = [line for line in section("A conversation").splitlines() if line[:1] in {"<", ">"} and line[2] == "{"]
    told = [EVENT.validate_json(line[2:]) for line in lines if line[0] == "<"]
    sent = [line[2:] for line in lines if line[0] == ">"]
    numbers = [event.seq for event in told if not isinstance(event, events.Error)]
    assert numbers == list(range(1, len(told)))
    for line, event in zip([line for line in lines if line[0] == "<"], told, strict=True):
        assert json.loads(line[2:]).keys() == event.model_dump().keys()
    assert parse_control(sent[0]).type == "session.update"
    assert parse_control(sent[-1]).type == "session.close"
    with pytest.raises(ProtocolError) as refused:
        parse_control(sent[1])
    (error,) = [event for event in told if isinstance(event, events.Error)]
    assert (error.code, error.message) == (refused.value.code, str(refused.value))


def test_the_client_is_the_example() -> None:
    code = re.search(r"```python\n(.*?)```", section("A client in Python"), re.DOTALL)
    example = Path(__file__).parents[1] / "examples" / "stream_file.py"
    assert code
    assert example.read_text(encoding="utf-8").endswith(f'"""\n\n{code[1]}')


async def test_a_program_without_the_client_works(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", section("Without the client"), re.DOTALL)
    assert code
    client = tmp_path / "client.py"
    client.write_text(code[1])
    async with running() as run:
        address = f"ws://127.0.0.1:{run.port}/v1/stream"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            client,
            tone(tmp_path / "tone.wav"),
            address,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert told.decode().splitlines() == [f"{start} joy so it is" for start in range(0, 500, 100)]
