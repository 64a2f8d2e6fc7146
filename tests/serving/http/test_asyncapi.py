"""docs/asyncapi.yaml is what the code says, and what the server really sends and takes."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from running_server import EverySound, control, frame, get, running, sound
from server_process import serving
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from m2fnet_client import RefusedError, Session, connect, watch
from serving.http import asyncapi
from stream.media import AudioChunk, VideoFrame
from wire import events
from wire.control import parse_control
from wire.errors import ErrorCode, ProtocolError
from wire.media import MediaKind, MediaMessage, encode_media
from wire.settings import ClientSettings, SegmenterSettings

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = yaml.safe_load(asyncapi.text())
EXAMPLES = [
    line[2:]
    for line in (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("< {")
]


def resolve(reference: str) -> None:
    """Follow a reference within the document."""
    node = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def payload(name: str) -> dict[str, Any]:
    """Return the schema of a text message, closed: it takes no field that the document doesn't have."""
    closed = {
        key: schema | ({"additionalProperties": False} if "properties" in schema else {})
        for key, schema in DOCUMENT["components"]["schemas"].items()
    }
    return {**DOCUMENT["components"]["messages"][name]["payload"], "components": {"schemas": closed}}


def check_text(name: str, message: dict[str, Any]) -> None:
    Draft7Validator(payload(name)).validate(message)


def check_media(allowed: set[str], data: bytes) -> None:
    """Read a binary message by what the document says of its header."""
    for name in allowed:
        header = DOCUMENT["components"]["messages"][name].get("x-header", [])
        read = {
            part["name"]: int.from_bytes(data[part["offset"] : part["offset"] + part["bytes"]], "little")
            for part in header
        }
        if header and all(part.get("value", read[part["name"]]) == read[part["name"]] for part in header):
            return
    pytest.fail(f"{data[:8]!r} is none of {allowed}")


@dataclass
class Tap:
    """Stands between clients and the server, and checks each message against the document."""

    to_port: int
    port: int = 0
    seen: set[tuple[str, str]] = field(default_factory=set)
    problems: list[BaseException] = field(default_factory=list)

    async def accept(self, near: ServerConnection) -> None:
        assert near.request
        path = near.request.path
        channel = "stream" if path.startswith("/v1/stream") else "events"
        async with connect_socket(f"ws://127.0.0.1:{self.to_port}{path}") as far:
            await asyncio.gather(
                self.carry(near, far, "receive", channel),
                self.carry(far, near, "send", channel),
            )

    async def carry(
        self,
        source: ClientConnection | ServerConnection,
        sink: ClientConnection | ServerConnection,
        action: str,
        channel: str,
    ) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await source.recv()
                try:
                    self.check(message, action, channel)
                except Exception as problem:  # noqa: BLE001 - shown by the test
                    self.problems.append(problem)
                await sink.send(message)
        await sink.close(source.close_code if source.close_code in {1000, 1001, 1008, 1011, 1013} else 1000)

    def check(self, message: str | bytes, action: str, channel: str) -> None:
        allowed = {
            reference["$ref"].rsplit("/", 1)[1]
            for operation in DOCUMENT["operations"].values()
            if operation["action"] == action and operation["channel"]["$ref"] == f"#/channels/{channel}"
            for reference in operation["messages"]
        }
        if isinstance(message, bytes):
            check_media(allowed, message)
            self.seen.add((action, f"media.{MediaKind(message[0]).name.lower()}"))
            return
        fields = json.loads(message)
        assert fields["type"] in allowed
        check_text(fields["type"], fields)
        self.seen.add((action, fields["type"]))


@contextlib.asynccontextmanager
async def tapped(port: int) -> AsyncIterator[Tap]:
    tap = Tap(port)
    async with serve(tap.accept, "127.0.0.1", 0) as listening:
        tap.port = next(iter(listening.sockets)).getsockname()[1]
        yield tap
    assert not tap.problems


class TestDocument:
    def test_the_file_is_what_the_code_says(self) -> None:
        written = (ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8")
        assert written == asyncapi.text(), "run python scripts/asyncapi.py"

    def test_all_references_lead_somewhere(self) -> None:
        found = list(references(DOCUMENT))
        assert found
        for reference in found:
            resolve(reference)

    @pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
    def test_all_schemas_are_some(self, name: str) -> None:
        Draft7Validator.check_schema(DOCUMENT["components"]["schemas"][name])

    def test_all_messages_are_used_and_those_of_operations_are_of_their_channel(self) -> None:
        for operation in DOCUMENT["operations"].values():
            channel = operation["channel"]["$ref"]
            for message in operation["messages"]:
                assert message["$ref"].startswith(f"{channel}/messages/")
        used = {name for channel in DOCUMENT["channels"].values() for name in channel["messages"]}
        assert used == set(DOCUMENT["components"]["messages"])

    def test_queries_are_those_that_are_understood(self) -> None:
        assert set(asyncapi.QUERY_FIELDS) == {*asyncapi.JOIN_FIELDS, *asyncapi.WATCH_FIELDS}

    def test_the_error_codes_are_listed(self) -> None:
        assert DOCUMENT["components"]["messages"]["error"]["x-codes"] == list(ErrorCode)

    @pytest.mark.parametrize("kind", MediaKind)
    def test_the_header_is_the_one_that_is_written(self, kind: MediaKind) -> None:
        header = DOCUMENT["components"]["messages"][f"media.{kind.name.lower()}"]["x-header"]
        data = encode_media(MediaMessage(kind, 70_000, b"", number=515))
        read = {
            part["name"]: int.from_bytes(data[part["offset"] : part["offset"] + part["bytes"]], "little")
            for part in header
        }
        assert read == {"kind": kind, "version": 1, "number": 515, "time": 70_000}
        assert sum(part["bytes"] for part in header) == len(data) == struct.calcsize("<BBHI")

    @pytest.mark.parametrize("example", EXAMPLES)
    def test_the_conversation_of_the_other_document_is_one_of_this(self, example: str) -> None:
        fields = json.loads(example)
        check_text(fields["type"], fields)

    async def test_the_server_hands_it_out(self) -> None:
        async with running() as run:
            status, headers, body = await get(run.port, "/asyncapi.yaml")
        assert (status, headers["content-type"]) == (200, "application/yaml")
        assert body.decode() == asyncapi.text()


class TestControl:
    @pytest.mark.parametrize(
        "message",
        [
            control("session.update", settings={}),
            control("session.update", settings={"speaker": "Ann", "language": "en", "consent": True}),
            control("session.update", settings={"segmenter": {"confirmed_end_ms": 600, "threshold": 0.6}}),
            control("session.update", settings={"segmenter": None, "language": None, "faces": False}),
            control("session.close"),
        ],
    )
    def test_what_the_document_allows_is_taken(self, message: str) -> None:
        fields = json.loads(message)
        check_text(fields["type"], fields)
        parse_control(message)

    @pytest.mark.parametrize(
        "message",
        [
            control("session.update"),
            control("session.update", settings={}, more=1),
            control("session.update", settings={"speaker": ""}),
            control("session.update", settings={"speaker": "x" * 65}),
            control("session.update", settings={"language": "english"}),
            control("session.update", settings={"colour": "red"}),
            control("session.update", settings={"segmenter": {"threshold": 1.5}}),
            control("session.update", settings={"segmenter": {"gap_ms": -1}}),
            control("session.close", settings={}),
        ],
    )
    def test_what_it_does_not_allow_is_refused(self, message: str) -> None:
        fields = json.loads(message)
        assert not Draft7Validator(payload(fields["type"])).is_valid(fields)
        with pytest.raises(ProtocolError):
            parse_control(message)


class Everything(EverySound):
    """Tells, with its first sound, each kind of event that a session tells."""

    def push(self, media: AudioChunk | VideoFrame) -> None:
        if isinstance(media, AudioChunk) and not self.sounds:
            self.emit(events.SpeechStarted(utterance=1, speaker=self.speaker, start_ms=0, room_start_ms=5))
            self.emit(events.UtteranceResumed(utterance=1))
            self.emit(events.UtteranceDiscarded(utterance=9, reason="no words in it"))
            self.emit(events.Warning(code="transcript.failed", message="no transcript"))
        super().push(media)


async def read_to_its_end(session: Session) -> None:
    await session.finish()
    async for _ in session:
        pass


async def test_every_message_of_a_real_server_is_one_of_the_document() -> None:
    async with running(Everything) as run, tapped(run.port) as tap:
        url = f"127.0.0.1:{tap.port}"
        async with (
            watch(url, room="R", media=["video", "audio"]) as watcher,
            connect(url, room="R", name="Ana") as ana,
            connect(url, room="R", name="Bo", media=["video"]) as bo,
        ):
            await ana.configure(ClientSettings(consent=True, segmenter=SegmenterSettings(confirmed_end_ms=600)))
            await ana.send_audio(0, bytes(3_200))
            await ana.send(MediaMessage(MediaKind.PCM_F32, 100, bytes(400)))
            await ana.send(MediaMessage(MediaKind.JPEG, 100, frame()[8:]))
            await ana._socket.send(sound(payload=b"")[:8])  # the server answers that there are no samples
            await read_to_its_end(ana)
            await read_to_its_end(bo)
            async for item in watcher:
                if isinstance(item, events.SessionClosed) and item.session == bo.id:
                    break
        with pytest.raises(RefusedError):
            await anext(watch(url, session="none"))
        async with connect(url, name="Cem") as alone:
            await alone.send_audio(0, bytes(3_200))
            await read_to_its_end(alone)
    told = {name for action, name in tap.seen if action == "send"}
    assert told == {*asyncapi._event_types(), "media.jpeg"}
    assert {name for action, name in tap.seen if action == "receive"} == {
        "session.update",
        "session.close",
        "media.pcm_s16",
        "media.pcm_f32",
        "media.jpeg",
    }


@pytest.mark.slow
async def test_every_message_about_real_speech_and_faces_is_one_of_the_document() -> None:
    speech = ROOT / "tests" / "fixtures" / "speech" / "two_speakers.opus"
    async with serving() as (_, address), tapped(int(address.rpartition(":")[2])) as tap:
        url = f"127.0.0.1:{tap.port}"
        async with (
            watch(url, room="R", media=["video"]) as watcher,
            connect(url, room="R", name="Ana") as ana,
            connect(url, room="R", name="Bo", media=["video"]) as bo,
        ):
            playing = asyncio.create_task(read_while_playing(ana, ROOT / "demo" / "clip.mp4"))
            async for _ in bo.play(speech):
                pass
            emotions = await playing
            async for item in watcher:
                if isinstance(item, events.SessionClosed) and item.session == ana.id:
                    break
    assert {emotion.session for emotion in emotions} == {ana.id, bo.id}
    assert {
        ("send", "speech.started"),
        ("send", "emotion"),
        ("send", "faces"),
        ("send", "clock.offset"),
        ("send", "media.jpeg"),
        ("receive", "media.jpeg"),
        ("receive", "media.pcm_s16"),
    } <= tap.seen


async def read_while_playing(session: Session, path: Path) -> list[events.Emotion]:
    return [event async for event in session.play(path) if isinstance(event, events.Emotion)]
