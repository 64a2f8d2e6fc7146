import asyncio
import contextlib
import io
import json
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from running_server import (
    Emit,
    EverySound,
    closing,
    control,
    event,
    frame,
    get,
    kinds,
    running,
    sound,
    tone,
    until,
)
from waiting import PATIENCE_S
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serving import run as server_run
from serving.http import pages
from serving.live import Plan
from serving.sessions.client_protocol import MAX_ERRORS_IN_A_ROW
from stream.dialog.session_context import SessionContext
from stream.media import AudioChunk, VideoFrame
from stream.recording.record import SessionRecord
from stream.settings import ServerSettings, Settings
from stream.sources.base import Source
from stream.sources.open import device, open_local, open_source
from wire import events
from wire.events import Totals
from wire.media import MediaKind, MediaMessage, decode_media, encode_media


class Talkative(EverySound):
    """Each chunk of sound gives 200 events of 64 KB: more than any socket buffer holds for who does not read."""

    def push(self, media: AudioChunk | VideoFrame) -> None:
        super().push(media)
        for _ in range(200):
            self.emit(events.UtteranceDiscarded(utterance=0, reason="x" * 65_536))


class Broken(EverySound):
    def push(self, media: AudioChunk | VideoFrame) -> None:
        message = f"no {type(media).__name__} today"
        raise RuntimeError(message)


class Stubborn(EverySound):
    """Does not finish before the test lets it."""

    released = threading.Event()

    def finish(self) -> Totals:
        self.released.wait(PATIENCE_S)
        return super().finish()


class TestPages:
    async def test_the_page_and_its_files(self) -> None:
        async with running() as run:
            status, headers, body = await get(run.port, "/")
            assert (status, headers["content-type"], headers["cache-control"]) == (
                200,
                "text/html; charset=utf-8",
                "no-cache",
            )
            assert body == (pages.WEB / "index.html").read_bytes()
            for file in sorted(pages.WEB.glob("*.js")):
                status, headers, body = await get(run.port, f"/web/{file.name}?v=1")
                assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
                assert body == file.read_bytes()

    @pytest.mark.parametrize("target", ["/", "/web/app.js"])
    async def test_what_the_browser_has_already_is_not_sent_again(self, target: str) -> None:
        async with running(path_prefix="/emo") as run:
            status, headers, body = await get(run.port, target)
            assert status == 200
            for known in (headers["etag"], f'"another", W/{headers["etag"]}'):
                status, again, nothing = await get(run.port, target, **{"If-None-Match": known})
                assert (status, again["etag"], nothing) == (304, headers["etag"], b"")
                assert again["content-security-policy"] == headers["content-security-policy"]
            for other in ('"another"', headers["etag"].strip('"')):
                assert (await get(run.port, target, **{"If-None-Match": other}))[::2] == (200, body)
            # Below a prefix the page is another one.
            told = {"If-None-Match": headers["etag"], "X-Forwarded-Prefix": "/other"}
            assert (await get(run.port, target, **told))[0] == (200 if target == "/" else 304)

    async def test_a_large_file_arrives_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        content = np.random.default_rng(1).bytes(8_000_000)
        (tmp_path / "clip.mp4").write_bytes(content)
        monkeypatch.setattr(pages, "WEB", tmp_path)
        async with running() as run:
            assert (await get(run.port, "/web/clip.mp4"))[2] == content

    @pytest.mark.parametrize(
        "target",
        [
            "/web/../server.py",
            "/web/..%2fserver.py",
            "/web/%2e%2e/pyproject.toml",
            "/web//etc/hostname",
            "/web/%2fetc/passwd",
            "/web/..%5cserver.py",
            "/web/index.html%00.js",
            "/web/" + "x" * 5_000 + ".js",
            "/web/",
            "/web/.",
            "/web",
            "/index.html",
            "/server.py",
            "//",
            "/v1",
            "/v1/stream/",
            "/favicon.ico",
        ],
    )
    async def test_anything_else_is_not_there(self, target: str) -> None:
        async with running() as run:
            status, headers, body = await get(run.port, target)
            assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
            assert body.startswith(b"there is nothing here")

    async def test_a_link_out_of_the_folder_is_not_followed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "web").mkdir()
        (tmp_path / "secret.js").write_text("secret")
        (tmp_path / "web/link.js").symlink_to(tmp_path / "secret.js")
        monkeypatch.setattr(pages, "WEB", tmp_path / "web")
        async with running() as run:
            assert (await get(run.port, "/web/link.js"))[0] == 404

    async def test_a_websocket_address_says_that_it_is_one(self) -> None:
        async with running() as run:
            status, _, body = await get(run.port, "/v1/stream")
            assert status == 426
            assert b"is a WebSocket" in body

    async def test_health(self) -> None:
        async with running() as run:
            await run.open("/v1/events")
            await run.open()
            health = await run.until(lambda health: health["watchers"] == health["sessions"] == 1)
            assert {key: health[key] for key in ("status", "engine", "engine_building", "bundle", "asr_model")} == {
                "status": "ok",
                "engine": "none",
                "engine_building": "better",
                "bundle": "test",
                "asr_model": "test",
            }
            assert set(health["dropped"].values()) == {0}
            assert health["dropped_requests"] == {"face": {"deadline": 2}}
            assert 0 <= health["event_loop"]["lag_p99_ms"] <= health["event_loop"]["lag_max_ms"]
            assert health["uptime_s"] >= 0

    async def test_other_methods_are_refused(self) -> None:
        async with running() as run:
            for method in ("DELETE", "POST", "PUT", "TRACE", "get"):
                status, headers, _ = await get(run.port, "/", method=method)
                assert (status, headers["allow"]) == (405, "get, head, options")

    @pytest.mark.parametrize("target", ["/", "/healthz", "/nothing", "/v1/stream", "/v1/rooms/R/export"])
    async def test_head_tells_what_get_would(self, target: str) -> None:
        async with running() as run:
            status, headers, body = await get(run.port, target)
            heading = await get(run.port, target, method="HEAD")
            assert heading[0] == status
            assert heading[1].keys() == headers.keys()
            assert heading[1]["content-length"] == str(len(body)) or target == "/healthz"
            assert heading[2] == b""


class TestAccess:
    @pytest.mark.parametrize("path", ["/", "/healthz", "/web/app.js"])
    @pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "file://"])
    async def test_pages_of_other_sites_get_nothing(self, path: str, origin: str) -> None:
        async with running() as run:
            status, _, body = await get(run.port, path, Origin=origin)
            assert (status, body) == (403, b"pages of other sites may not use this server\n")

    @pytest.mark.parametrize("path", ["/v1/stream", "/v1/events"])
    async def test_pages_of_other_sites_open_no_socket(self, path: str) -> None:
        async with running() as run:
            with pytest.raises(InvalidStatus) as refused:
                await run.open(path, origin="https://evil.example")
            assert refused.value.response.status_code == 403
            assert (await run.health())["watchers"] == 0

    async def test_the_own_page_opens_one(self) -> None:
        async with running() as run:
            connection = await run.open(origin=f"http://127.0.0.1:{run.port}")
            assert (await event(connection))["type"] == "session.created"

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "", "192.168.1.7"])
    async def test_a_name_that_was_pointed_here_is_refused(self, host: str) -> None:
        async with running() as run:
            assert (await get(run.port, "/healthz", Host=host))[0] == 403

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1", "[::1]:8765", "demo.localhost"])
    async def test_names_of_this_machine_are_fine(self, host: str) -> None:
        async with running() as run:
            assert (await get(run.port, "/healthz", Host=host, Origin=f"http://{host}"))[0] == 200

    async def test_any_name_is_fine_when_other_machines_may_come(self) -> None:
        async with running(host="0.0.0.0") as run:  # noqa: S104 - only what it means for the Host header is tested
            assert (await get(run.port, "/healthz", Host="studio.example:8765"))[0] == 200
            assert (await get(run.port, "/healthz", Host="studio.example", Origin="https://evil.example"))[0] == 403


class TestStream:
    async def test_a_whole_conversation(self) -> None:
        async with running() as run:
            client = await run.open()
            created = await event(client)
            assert created["labels"] == ["neutral", "joy"]
            assert (created["protocol"], created["number"], created["speaker"]) == (1, 1, "Speaker 1")
            await client.send(control("session.update", settings={"speaker": "Ann", "language": "en"}))
            updated = await event(client)
            assert (updated["speaker"], updated["settings"]["language"]) == ("Ann", "en")
            await client.send(sound())
            await client.send(frame())
            emotion = (await until(client, "faces"))[1]
            assert (emotion["speaker"], emotion["start_ms"], emotion["end_ms"]) == ("Ann", 0, 1000)
            await client.send(control("session.close"))
            rest, code, _ = await closing(client)
            assert code == 1000
            assert (rest[-1]["type"], rest[-1]["reason"]) == ("session.closed", "client")
            assert rest[-1]["totals"]["utterances"] == 1
            assert rest[-1]["totals"]["video_frames"] == 1
            assert {message["session"] for message in rest} == {created["session"]}

    async def test_events_are_numbered_without_a_gap(self) -> None:
        async with running() as run:
            client = await run.open()
            for time_ms in range(0, 5000, 1000):
                await client.send(sound(time_ms))
            await client.send(control("session.close"))
            got, _, _ = await closing(client)
            assert [message["seq"] for message in got] == list(range(1, len(got) + 1))
            assert kinds(got).count("emotion") == 5

    async def test_a_session_without_media_is_closed_with_nothing(self) -> None:
        async with running() as run:
            client = await run.open()
            await client.send(control("session.close"))
            got, code, _ = await closing(client)
            assert (kinds(got), code) == (["session.created", "session.closed"], 1000)
            assert set(got[-1]["totals"].values()) == {0}

    async def test_nonsense_is_answered_and_the_sessions_go_on(self) -> None:
        async with running() as run:
            careless, other = await run.open(), await run.open()
            bad = ["{", control("session.updat"), control("session.update", settings={"speeker": 1}), b"", b"\xff" * 20]
            for message in bad:
                await careless.send(message)
            got = (await until(careless, "session.created")) + [await event(careless) for _ in bad]
            assert [(message["code"], message["fatal"]) for message in got[1:]] == [
                ("json.invalid", False),
                ("type.unknown", False),
                ("field.unknown", False),
                ("media.header", False),
                ("media.version", False),
            ]
            assert "settings.speeker" in got[3]["message"]
            for client in (careless, other):
                await client.send(sound())
                assert (await until(client, "emotion"))[-1]["text"] == "so it is"

    async def test_nothing_but_nonsense_ends_the_session(self) -> None:
        async with running() as run:
            client = await run.open()
            for _ in range(MAX_ERRORS_IN_A_ROW):
                await client.send("nonsense")
            got, code, _ = await closing(client)
            assert (got[-2]["code"], got[-2]["fatal"]) == ("errors.too_many", True)
            assert (got[-1]["reason"], code) == ("errors", 1008)

    async def test_a_frame_that_is_none_is_a_warning(self) -> None:
        async with running() as run:
            client = await run.open()
            await client.send(encode_media(MediaMessage(MediaKind.JPEG, 0, b"\xff\xd8\xff no frame")))
            assert (await until(client, "warning"))[-1]["code"] == "remote.bad_frame"
            await client.send(frame(40))
            assert (await until(client, "faces"))[-1]["width"] == 64

    async def test_the_client_gets_only_what_it_wants(self) -> None:
        async with running() as run:
            client = await run.open()
            settings = {"partial_transcripts": False, "faces": False}
            await client.send(control("session.update", settings=settings))
            await client.send(frame())
            await client.send(sound())
            await client.send(control("session.close"))
            got, _, _ = await closing(client)
            assert kinds(got) == ["session.created", "session.updated", "emotion", "session.closed"]

    async def test_a_lost_connection_finishes_the_session(self) -> None:
        async with running() as run:
            watcher, client = await run.open("/v1/events"), await run.open()
            await client.send(sound())
            await until(client, "emotion")
            client.transport.abort()
            last = (await until(watcher, "session.closed"))[-1]
            assert (last["reason"], last["totals"]["utterances"]) == ("disconnected", 1)
            await run.until(lambda health: health["sessions"] == 0)

    async def test_a_message_that_is_too_long_ends_only_its_session(self) -> None:
        async with running(max_message_bytes=64_000) as run:
            watcher, client = await run.open("/v1/events"), await run.open()
            await client.send(sound(payload=bytes(70_000)))
            assert (await closing(client))[1] == 1009
            assert (await until(watcher, "session.closed"))[-1]["reason"] == "too_large"

    async def test_a_session_that_breaks_ends_alone(self) -> None:
        def make(
            settings: Settings, emit: Emit, speaker: str, context: SessionContext, _: SessionRecord | None = None
        ) -> EverySound:
            return (Broken if speaker == "Unlucky" else EverySound)(settings, emit, speaker, context)

        async with running(make) as run:  # type: ignore[arg-type] # as above
            unlucky, other = await run.open(), await run.open()
            await unlucky.send(control("session.update", settings={"speaker": "Unlucky"}))
            await unlucky.send(sound())
            got, code, _ = await closing(unlucky)
            assert (got[-2]["code"], got[-2]["fatal"]) == ("internal", True)
            assert "AudioChunk" not in got[-2]["message"], "what broke is for the log"
            assert (got[-1]["reason"], code) == ("failed", 1011)
            await other.send(sound())
            await until(other, "emotion")

    async def test_a_value_beyond_the_servers_own_is_refused_and_the_session_goes_on(self) -> None:
        async with running() as run:
            client = await run.open()
            await client.send(control("session.update", settings={"segmenter": {"max_utterance_ms": 600_000}}))
            refused = (await until(client, "error"))[-1]
            assert (refused["code"], refused["fatal"]) == ("field.invalid", False)
            assert "segmenter.max_utterance_ms: at most 15000" in refused["message"]
            await client.send(sound())
            updated = (await until(client, "session.updated"))[-1]
            assert updated["settings"]["segmenter"]["max_utterance_ms"] == 15_000
            await until(client, "emotion")

    async def test_a_language_that_the_speech_model_does_not_know_is_refused_and_the_session_goes_on(self) -> None:
        async with running() as run:
            client = await run.open()
            await client.send(control("session.update", settings={"language": "xx"}))
            refused = (await until(client, "error"))[-1]
            assert (refused["code"], refused["fatal"]) == ("field.invalid", False)
            assert "it knows de, en" in refused["message"]
            await client.send(control("session.update", settings={"language": "de"}))
            assert (await until(client, "session.updated"))[-1]["settings"]["language"] == "de"
            await client.send(sound())
            await until(client, "emotion")

    async def test_one_session_too_many_is_told_so(self) -> None:
        async with running(max_sessions=1) as run:
            first = await run.open()
            await event(first)
            (refused,), code, reason = await closing(await run.open())
            assert (refused["type"], refused["code"], refused["fatal"]) == ("error", "overloaded", True)
            assert (code, reason) == (1013, "overloaded")
            await first.send(control("session.close"))
            await closing(first)
            assert (await event(await run.open()))["type"] == "session.created"


class TestEvents:
    async def test_watchers_get_the_events_of_all_sessions(self) -> None:
        async with running() as run:
            watchers = [await run.open("/v1/events") for _ in range(3)]
            for speaker in ("Ann", "Bob"):
                client = await run.open()
                await client.send(control("session.update", settings={"speaker": speaker}))
                await client.send(sound())
                await client.send(control("session.close"))
                await closing(client)
            for watcher in watchers:
                got = await until(watcher, "session.closed") + await until(watcher, "session.closed")
                assert [message["speaker"] for message in got if message["type"] == "emotion"] == ["Ann", "Bob"]

    async def test_who_comes_late_gets_the_dialog_so_far(self) -> None:
        async with running() as run:
            client = await run.open()
            for time_ms in (0, 1000):
                await client.send(sound(time_ms))
            seen = await until(client, "emotion") + await until(client, "emotion")
            late = await run.open("/v1/events")
            got = [await event(late) for _ in range(4)]
            assert kinds(got) == ["session.created", "session.updated", "emotion", "emotion"]
            assert got == [message for message in seen if message["type"] != "transcript.partial"]
            await client.send(sound(2000))
            assert (await until(late, "emotion"))[-1]["utterance"] == 3

    async def test_the_dialog_of_a_session_that_ended_is_still_shown(self) -> None:
        async with running() as run:
            client = await run.open()
            await client.send(sound())
            await client.send(control("session.close"))
            await closing(client)
            got = await until(await run.open("/v1/events"), "session.closed")
            assert kinds(got) == ["session.created", "session.updated", "emotion", "session.closed"]

    async def test_one_session_alone(self) -> None:
        async with running() as run:
            one, other = await run.open(), await run.open()
            name = (await event(one))["session"]
            watcher = await run.open(f"/v1/events?session={name}")
            for client in (other, one):
                await client.send(sound())
                await client.send(control("session.close"))
                await closing(client)
            assert {message["session"] for message in await until(watcher, "session.closed")} == {name}

    @pytest.mark.parametrize(
        ("query", "code"),
        [("session=nobody", "session.unknown"), ("media=smell", "query.invalid"), ("size=1", "query.invalid")],
    )
    async def test_what_can_not_be_watched_is_refused(self, query: str, code: str) -> None:
        async with running() as run:
            (refused,), close_code, reason = await closing(await run.open(f"/v1/events?{query}"))
            assert (refused["type"], refused["code"], refused["fatal"]) == ("error", code, True)
            assert (close_code, reason) == (1008, code)

    async def test_one_watcher_too_many_is_told_so(self) -> None:
        async with running(max_watchers=1) as run:
            await run.open("/v1/events")
            await run.until(lambda health: health["watchers"] == 1)
            (refused,), code, _ = await closing(await run.open("/v1/events"))
            assert (refused["code"], code) == ("overloaded", 1013)

    async def test_nobody_listens_to_a_watcher(self) -> None:
        async with running() as run:
            watcher = await run.open("/v1/events")
            await watcher.send(sound())
            refused = await event(watcher)
            assert (refused["code"], refused["fatal"], refused["seq"]) == ("watcher.read_only", False, 0)
            for _ in range(MAX_ERRORS_IN_A_ROW):
                with contextlib.suppress(ConnectionClosed):
                    await watcher.send("hello?")
            got, code, _ = await closing(watcher)
            assert (got[-1]["fatal"], code) == (True, 1008)

    async def test_a_watcher_that_does_not_read_is_closed_and_nobody_else_waits(self) -> None:
        limits = {"watcher_queue": 2048, "watcher_patience_s": 2}
        async with running(Talkative, **limits) as run:  # type: ignore[arg-type] # as above
            # The client library stops reading its socket when one message waits for the test.
            stuck = await run.open("/v1/events", max_queue=1, ping_interval=None)
            reading, client = await run.open("/v1/events"), await run.open()
            await run.until(lambda health: health["watchers"] == 2)
            await client.send(sound())
            await client.send(control("session.close"))
            for got in await asyncio.gather(until(client, "session.closed"), until(reading, "session.closed")):
                assert kinds(got).count("utterance.discarded") == 200
            await run.until(lambda health: health["dropped"]["slow_connections"] == 1)
            assert (await closing(stuck))[1:] == (1013, "too_slow")
            await reading.ping()
            assert (await run.health())["watchers"] == 1


class TestStop:
    async def test_everyone_is_told(self) -> None:
        async with running() as run:
            watcher, client, silent = await run.open("/v1/events"), await run.open(), await run.open()
            await client.send(sound())
            await until(client, "emotion")
            await event(silent)
            run.stop.set()
            for connection in (client, silent):
                got, code, _ = await closing(connection)
                assert (got[-1]["type"], got[-1]["reason"], code) == ("session.closed", "server.stopped", 1001)
            got, code, _ = await closing(watcher)
            assert (kinds(got).count("session.closed"), code) == (2, 1001)
            await run.ended

    async def test_a_session_that_does_not_finish_is_given_up(self) -> None:
        try:
            async with running(Stubborn, stop_timeout_s=0.5) as run:  # type: ignore[arg-type] # as above
                client = await run.open()
                await client.send(sound())
                await until(client, "emotion")
                run.stop.set()
                got, code, _ = await closing(client)
                assert (got[-1]["reason"], code) == ("server.stopped", 1001)
                await run.ended
        finally:
            Stubborn.released.set()

    async def test_a_session_that_hangs_keeps_nobody_waiting_and_watchers_are_told(self) -> None:
        def hangs_if_ann(
            settings: Settings, emit: Emit, speaker: str, context: SessionContext, _: SessionRecord | None = None
        ) -> EverySound:
            return (Stubborn if speaker == "Ann" else EverySound)(settings, emit, speaker, context)

        Stubborn.released.clear()
        try:
            async with running(hangs_if_ann, stop_timeout_s=5.0) as run:  # type: ignore[arg-type] # as above
                watchers = [await run.open("/v1/events"), await run.open("/v1/events?room=R")]
                for name in ("Ann", "Bob"):
                    client = await run.open(f"/v1/stream?room=R&name={name}")
                    await client.send(sound())
                    while (await until(client, "emotion"))[-1]["speaker"] != name:
                        pass  # the room's earlier ones
                run.stop.set()
                for watcher in watchers:
                    got, code, _ = await closing(watcher)
                    ended = {message["session"]: message for message in got if message["type"] == "session.closed"}
                    assert ({message["reason"] for message in ended.values()}, code) == ({"server.stopped"}, 1001)
                    # Bob's session finished, so its totals are told; those of the one that hangs are lost.
                    assert sorted(message["totals"]["utterances"] for message in ended.values()) == [0, 1]
                await run.ended
        finally:
            Stubborn.released.set()

    async def test_connections_that_read_nothing_are_cut_off(self) -> None:
        limits = {"watcher_queue": 2048, "watcher_patience_s": 600, "stop_timeout_s": 1.0}
        async with running(Talkative, **limits) as run:  # type: ignore[arg-type] # as above
            stuck = await run.open("/v1/events", max_queue=1, ping_interval=None)
            client = await run.open()
            await run.until(lambda health: health["watchers"] == 1)
            await client.send(sound())
            await until(client, "emotion")
            run.stop.set()
            await run.ended  # long before the watcher's patience ends, and the test's
            for connection in (stuck, client):
                connection.transport.abort()  # nobody is there any more to part from

    async def test_what_is_being_said_is_finished(self) -> None:
        class Late(EverySound):
            def finish(self) -> Totals:
                self.sounds += 1
                self.emit(self.emotion(5000, 6000))
                return super().finish()

        async with running(Late) as run:  # type: ignore[arg-type] # as above
            client, watcher = await run.open(), await run.open("/v1/events")
            await client.send(sound())
            await until(client, "emotion")
            run.stop.set()
            for connection in (client, watcher):
                got, _, _ = await closing(connection)
                assert kinds(got)[-2:] == ["emotion", "session.closed"]
                assert got[-2]["start_ms"] == 5000

    async def test_nobody_new_is_let_in(self) -> None:
        Stubborn.released.clear()
        async with running(Stubborn, stop_timeout_s=60) as run:  # type: ignore[arg-type] # as above
            client = await run.open()
            await client.send(sound())
            await until(client, "emotion")
            run.stop.set()
            await run.until(lambda health: health["status"] == "stopping")
            for path in ("/v1/stream", "/v1/events"):
                (refused,), code, _ = await closing(await run.open(path))
                assert (refused["code"], code) == ("overloaded", 1013)
            Stubborn.released.set()
            await closing(client)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return tone(tmp_path / "tone.wav")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return a second of 1280 x 720 frames with sound."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        audio = file.add_stream("aac", rate=16_000, layout="mono")
        for index in range(10):
            image = np.full((720, 1280, 3), 20 * index, np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
        sound.sample_rate = 16_000
        file.mux(audio.encode(sound))
        for stream in (video, audio):
            file.mux(stream.encode(None))
    return path


def local(*specs: object) -> list[Source]:
    return [open_source(str(spec), realtime=True) for spec in specs]


class TestLocalSources:
    async def test_a_file_is_played_and_its_dialog_stays(self, wav: Path) -> None:
        async with running(plan=Plan(local(wav))) as run:
            got = await until(await run.open("/v1/events"), "session.closed")
            assert {"session.created", "session.updated", "emotion"} <= set(kinds(got))
            assert got[-1]["reason"] == "file.ended"
            late = await until(await run.open("/v1/events"), "session.closed")
            assert [message for message in late if message["type"] == "emotion"] == [
                message for message in got if message["type"] == "emotion"
            ]

    async def test_frames_and_sound_are_shown_to_who_asks(self, clip: Path) -> None:
        plan = Plan(local(clip), wait_for_watcher=True)
        async with running(plan=plan) as run:
            watcher = await run.open("/v1/events?media=video,audio")
            shown, got = [], []
            while not got or got[-1]["type"] != "session.closed":
                message = await watcher.recv()
                if isinstance(message, bytes):
                    shown.append(decode_media(message))
                else:
                    got.append(json.loads(message))
            assert {message.number for message in shown} == {got[0]["number"]}
            assert {message.kind for message in shown} == {MediaKind.JPEG, MediaKind.PCM_S16}
            for message in shown:
                if message.kind is MediaKind.JPEG:
                    assert Image.open(io.BytesIO(message.payload)).size == (640, 360)

    async def test_nobody_gets_previews_without_asking(self, clip: Path) -> None:
        async with running(plan=Plan(local(clip), wait_for_watcher=True)) as run:
            got = await until(await run.open("/v1/events"), "session.closed")
            assert got[-1]["totals"]["video_frames"] > 0

    async def test_the_server_ends_with_its_sources(self, wav: Path) -> None:
        async with running(plan=Plan(local(wav, wav), wait_for_watcher=True, exit_when_done=True)) as run:
            got, code, _ = await closing(await run.open("/v1/events"))
            assert (kinds(got).count("session.closed"), code) == (2, 1001)
            assert await run.ended == []

    async def test_sources_that_fail_are_named_when_the_server_ends_with_them(self, tmp_path: Path, wav: Path) -> None:
        broken = tmp_path / "broken.mp4"
        broken.write_text("no media")
        async with running(plan=Plan(local(broken, wav), exit_when_done=True)) as run:
            (failure,) = await run.ended
        assert failure.startswith("broken.mp4 is not a media file")

    async def test_a_source_that_is_not_there_is_an_error_of_its_session_alone(self, tmp_path: Path, wav: Path) -> None:
        async with running(plan=Plan(local(tmp_path / "missing.mp4", wav), wait_for_watcher=True)) as run:
            watcher = await run.open("/v1/events")
            got = await until(watcher, "session.closed") + await until(watcher, "session.closed")
            (error,) = [message for message in got if message["type"] == "error"]
            assert error["fatal"]
            assert "missing.mp4" in error["message"]
            assert [message["reason"] for message in got if message["type"] == "session.closed"].count(
                "file.ended"
            ) == 1

    async def test_sources_of_a_room_are_its_participants_as_many_as_it_may_have(
        self, wav: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        plan = Plan(local(wav, wav, wav), room="call", wait_for_watcher=True)
        async with running(plan=plan, max_participants=2) as run:
            watcher = await run.open("/v1/events?room=call")
            got = await until(watcher, "session.closed") + await until(watcher, "session.closed")
            speakers = {message["speaker"] for message in got if message["type"] == "emotion"}
            assert speakers == {message["speaker"] for message in got if message["type"] == "session.created"}
            assert len(speakers) == 2
            assert "can't join the room: the room has 2 participants already" in caplog.text

    async def test_a_source_nobody_came_for_does_not_hold_the_server(self, wav: Path) -> None:
        async with running(plan=Plan(local(wav), wait_for_watcher=True)) as run:
            run.stop.set()
            await run.ended


class TestProgram:
    def test_a_taken_port_is_one_clear_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with server_run.listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            assert server_run.run(Settings(server=ServerSettings(port=port))) == 1
        told = capsys.readouterr().err
        assert told == (
            f"m2fnet serve: port {port} of 127.0.0.1 is taken; stop what uses it, or choose another with --port\n"
        )

    @pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 300])
    def test_a_host_that_is_not_ours_is_one_clear_line(self, host: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert server_run.run(Settings(server=ServerSettings(host=host, port=0))) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"m2fnet serve: can't listen on {host}")
        assert told.count("\n") == 1

    def test_a_source_of_an_unknown_kind_is_one_clear_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert server_run.run(Settings(), sources=["gopher://x"]) == 1
        assert capsys.readouterr().err.startswith("m2fnet serve: ")

    def test_devices_are_numbers_or_names(self) -> None:
        assert [device(text) for text in ("0", "/dev/video2", "default")] == [0, "/dev/video2", "default"]

    @pytest.mark.parametrize(
        ("camera", "microphone", "opened"),
        [
            (None, None, []),
            ("0", None, ["CameraSource"]),
            (None, "default", ["MicrophoneSource"]),
            ("0", "default", ["CaptureSource"]),
        ],
    )
    def test_camera_and_microphone_together_are_one_session(
        self, camera: str | None, microphone: str | None, opened: list[str]
    ) -> None:
        sources = open_local(Settings(), camera, microphone, ["a.wav"])
        assert [type(source).__name__ for source in sources] == [*opened, "FileSource"]

    @pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])  # noqa: S104 - the point
    def test_the_address_is_one_a_browser_can_open(self, host: str, shown: str) -> None:
        with server_run.listen(host, 0) as sock:
            port = sock.getsockname()[1]
            assert server_run.address_of(sock) == f"http://{shown}:{port}/"
            assert server_run.address_of(sock, "https", "/emo") == f"https://{shown}:{port}/emo/"
