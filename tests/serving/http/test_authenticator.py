"""Who is let in over real connections: by the token, by address, from which page; and what every answer carries."""

import asyncio
import json
import logging
import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from running_server import FIGURES, Running, closing, control, event, get, kinds, running, sound, until
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from serving import run as server_run
from serving.http.tokens import ChosenToken, Guesses
from serving.sessions.client_protocol import MAX_ERRORS_IN_A_ROW
from stream.settings import ServerSettings, Settings

SECRET = "a-token-that-nobody-guesses"  # noqa: S105 - of a server that lives for a test
WRONG = "another-token-than-the-right-one"
BEARER = {"Authorization": f"Bearer {SECRET}"}
PATHS = ("/v1/stream", "/v1/events", "/v1/stream?room=call&name=Ana", "/v1/events?room=call")


async def is_served(run: Running) -> None:
    """See that the server still does what it should."""
    client = await run.open(token=SECRET)
    await client.send(sound())
    assert (await until(client, "emotion"))[-1]["label"] == "joy"


class TestTokenOfAWebSocket:
    @pytest.mark.parametrize("path", PATHS)
    async def test_it_may_stand_in_a_header(self, path: str) -> None:
        async with running(token=SECRET) as run:
            client = await run.open(path, token=SECRET)
            await client.send(control("session.close"))
            assert (await event(client))["type"] != "error" or "events" in path
            await is_served(run)

    async def test_or_in_the_first_message(self) -> None:
        async with running(token=SECRET) as run:
            client, watcher = await run.open(), await run.open("/v1/events")
            for connection in (watcher, client):
                await connection.send(control("auth", token=SECRET))
            assert (await event(client))["type"] == "session.created"
            await client.send(sound())
            await until(client, "emotion")
            assert (await until(watcher, "emotion"))[-1]["label"] == "joy"

    @pytest.mark.parametrize("path", PATHS)
    async def test_before_it_nothing_is_told(self, path: str) -> None:
        async with running(token=SECRET) as run:
            stranger = await run.open(path)
            await is_served(run)
            assert (await run.until(lambda health: "sessions" not in health))["status"] == "ok"
            await stranger.send(control("auth", token=WRONG))
            (refused,), _, _ = await closing(stranger)
            assert refused["code"] == "auth.failed"

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            (control("auth", token=WRONG), "auth.failed"),
            (control("auth", token=""), "auth.failed"),
            (control("auth"), "auth.required"),
            (control("auth", token=7), "auth.required"),
            (control("auth", token="x" * 1000), "auth.required"),
            (control("session.update", settings={}), "auth.required"),
            (sound(), "auth.required"),
            ("{", "auth.required"),
            (b"", "auth.required"),
        ],
    )
    async def test_without_the_right_one_the_connection_is_closed(
        self, path: str, message: str | bytes, code: str
    ) -> None:
        async with running(token=SECRET) as run:
            stranger = await run.open(path)
            await stranger.send(message)
            (refused,), close_code, reason = await closing(stranger)
            assert (refused["type"], refused["code"], refused["fatal"], refused["seq"]) == ("error", code, True, 0)
            assert (close_code, reason) == (1008, code)
            assert SECRET not in json.dumps(refused)

    async def test_a_wrong_one_in_the_header_is_not_made_up_for(self) -> None:
        async with running(token=SECRET) as run:
            stranger = await run.open(token=WRONG)
            assert (await closing(stranger))[2] == "auth.failed"

    async def test_who_says_nothing_is_closed_in_time(self) -> None:
        async with running(token=SECRET, auth_timeout_s=0.05) as run:
            (refused,), close_code, _ = await closing(await run.open())
            assert (refused["code"], close_code) == ("auth.late", 1008)
            assert "within 0.05 s" in refused["message"]

    @pytest.mark.parametrize("needed", [True, False])
    @pytest.mark.parametrize("path", ["/v1/stream?token=", "/v1/events?room=call&access_token="])
    async def test_in_the_address_it_is_refused_and_not_repeated(self, path: str, *, needed: bool) -> None:
        async with running(**({"token": SECRET} if needed else {})) as run:
            (refused,), close_code, reason = await closing(await run.open(path + SECRET, token=SECRET))
            assert (refused["code"], close_code, reason) == ("query.invalid", 1008, "query.invalid")
            assert "first message" in refused["message"]
            assert SECRET not in json.dumps(refused)

    @pytest.mark.parametrize("path", ["/v1/stream?room=call&name=Ana&key=", "/v1/events?Key="])
    async def test_nor_does_the_key_of_a_room_belong_there(self, path: str) -> None:
        async with running() as run:
            (refused,), close_code, _ = await closing(await run.open(path + SECRET))
            assert (refused["code"], close_code) == ("query.invalid", 1008)
            assert "Sec-WebSocket-Protocol: m2fnet, m2fnet.key.KEY" in refused["message"]
            assert SECRET not in json.dumps(refused)
            status, _, body = await get(run.port, f"/call?room=R&key={SECRET}")
            assert status == 400
            assert SECRET.encode() not in body

    @pytest.mark.parametrize("offered", ["chat", "chat, m2fnet", "m2fnet"])
    async def test_other_subprotocols_do_no_harm(self, offered: str) -> None:
        async with running() as run:
            names = [Subprotocol(name) for name in offered.split(", ")]
            async with connect(f"ws://127.0.0.1:{run.port}/v1/stream", subprotocols=names) as client:
                assert (await event(client))["type"] == "session.created"
                assert client.subprotocol == ("m2fnet" if "m2fnet" in names else None)

    async def test_where_none_is_needed_it_does_no_harm(self) -> None:
        async with running() as run:
            client, watcher = await run.open(), await run.open("/v1/events")
            for connection in (watcher, client):
                await connection.send(control("auth", token=WRONG))
            await client.send(sound())
            await client.send(control("session.close"))
            got = [(await closing(client))[0], await until(watcher, "session.closed")]
            assert all("error" not in kinds(messages) for messages in got)

    async def test_wrong_ones_wait_longer_and_the_right_one_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[float] = []
        wrong = Guesses.wrong

        def noted(self: Guesses, now_s: float) -> float:
            asked.append(wrong(self, now_s))
            return 0.0

        monkeypatch.setattr(Guesses, "wrong", noted)
        async with running(token=SECRET) as run:
            for index in range(4):
                await closing(await run.open(token=f"wrong-{index}"))
            await is_served(run)
        assert asked == [0.25, 0.5, 1.0, 2.0]

    async def test_the_server_stops_while_somebody_waits_at_the_door(self) -> None:
        async with running(token=SECRET, auth_timeout_s=60) as run:
            await run.open()
            run.stop.set()
            await run.ended


class TestTokenOfAPlainRequest:
    @pytest.mark.parametrize("target", ["/", "/web/app.js", "/web/style.css"])
    async def test_the_pages_need_none(self, target: str) -> None:
        async with running(token=SECRET) as run:
            assert (await get(run.port, target))[0] == 200

    async def test_a_sign_of_life_needs_none_and_figures_do(self) -> None:
        async with running(token=SECRET) as run:
            assert json.loads((await get(run.port, "/healthz"))[2]) == {"status": "ok"}
            assert json.loads((await get(run.port, "/healthz", Authorization="Bearer wrong"))[2]) == {"status": "ok"}
            assert json.loads((await get(run.port, "/healthz", **BEARER))[2])["sessions"] == 0

    @pytest.mark.parametrize("target", ["/metrics", "/v1/status", "/v1/anything", "/nothing", "/web/nothing.js"])
    async def test_all_else_needs_it(self, target: str) -> None:
        async with running(token=SECRET) as run:
            status, headers, body = await get(run.port, target)
            assert (status, headers["www-authenticate"]) == (401, 'bearer realm="m2fnet live"')
            assert b"Authorization: Bearer" in body
            status, _, body = await get(run.port, target, Authorization="Bearer wrong")
            assert (status, body) == (401, b"this is not the server's token\n")
            assert (await get(run.port, target, **BEARER))[0] not in {401, 403}

    @pytest.mark.parametrize("target", ["/?token=", "/healthz?token=", "/metrics?a=1&Token="])
    async def test_in_the_address_it_is_refused_and_not_repeated(self, target: str) -> None:
        async with running(token=SECRET) as run:
            status, _, body = await get(run.port, target + SECRET, **BEARER)
            assert status == 400
            assert b"#token=" in body
            assert SECRET.encode() not in body


class TestAnnouncing:
    class Models:
        figures = FIGURES

    def test_a_new_token_is_told_once_behind_the_address_and_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        settings, token = server_run.with_token(Settings(server=ServerSettings(host="0.0.0.0")))  # noqa: S104 - the point
        assert token is not None
        assert settings.server.token == SecretStr(token.text)
        told: list[str] = []
        caplog.set_level(logging.DEBUG)
        server_run._ready(self.Models(), "http://127.0.0.1:8765/", token, told.append)  # type: ignore[arg-type] # has the names
        assert told == [f"http://127.0.0.1:8765/#token={token.text}"]
        assert "open http://127.0.0.1:8765/ " in caplog.text
        assert token.text not in caplog.text

    def test_one_that_was_set_is_not_told(self) -> None:
        told: list[str] = []
        token = ChosenToken(SECRET, generated=False)
        server_run._ready(self.Models(), "http://127.0.0.1:8765/", token, told.append)  # type: ignore[arg-type] # as above
        assert told == ["http://127.0.0.1:8765/"]

    def test_on_this_machine_alone_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("M2FNET_TOKEN", raising=False)
        assert server_run.with_token(Settings())[1] is None

    def test_what_is_wrong_is_one_line_and_starts_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wrong = [
            ServerSettings(token=SecretStr("short")),
            ServerSettings(token_file=tmp_path / "none"),
            ServerSettings(tls_certificate=tmp_path / "none", tls_key=tmp_path / "none"),
        ]
        for settings in wrong:
            assert server_run.run(Settings(server=settings)) == 1
            told = capsys.readouterr().err
            assert re.fullmatch(r"m2fnet serve: [^\n]+\n", told)
            assert "short" not in told

    def test_a_server_that_others_hear_is_warned_of(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = tmp_path / "token"
        file.write_text(SECRET)
        file.chmod(0o644)
        server_run._warn_of_risks(ServerSettings(host="0.0.0.0", token_file=file))  # noqa: S104 - the point
        assert "nothing is encrypted" in caplog.text
        assert "can be read by other users" in caplog.text
        caplog.clear()
        server_run._warn_of_risks(ServerSettings())
        assert not caplog.text


class TestAddresses:
    async def test_one_connection_too_many_is_told_so_and_the_others_go_on(self) -> None:
        async with running(max_connections_per_address=2) as run:
            client, _ = await run.open(), await run.open("/v1/events")
            await event(client)
            (refused,), close_code, reason = await closing(await run.open("/v1/events"))
            assert (refused["code"], close_code, reason) == ("address.full", 1013, "address.full")
            await client.send(control("session.close"))
            await closing(client)
            await run.until(lambda health: health["sessions"] == 0)
            assert (await event(await run.open()))["type"] == "session.created"

    async def test_those_who_wait_at_the_door_count(self) -> None:
        async with running(token=SECRET, max_connections_per_address=1) as run:
            await run.open()
            assert (await closing(await run.open(token=SECRET)))[2] == "address.full"

    async def test_behind_a_proxy_there_is_no_limit(self) -> None:
        async with running(max_connections_per_address=0, max_watchers=70) as run:
            watchers = [await run.open("/v1/events") for _ in range(70)]
            await run.until(lambda health: health["watchers"] == len(watchers))


class TestOtherSites:
    async def test_a_site_that_was_named_may_read_answers_and_open_sockets(self) -> None:
        site = "https://studio.example"
        async with running(origins=site) as run:
            status, headers, _ = await get(run.port, "/web/client.js", Origin=site)
            assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, site, "origin")
            assert (await event(await run.open(origin=site)))["type"] == "session.created"
            status, headers, _ = await get(run.port, "/web/client.js", Origin="https://evil.example")
            assert status == 403
            assert "access-control-allow-origin" not in headers

    @pytest.mark.parametrize("target", ["/v1/status", "/v1/rooms/R/export", "/healthz", "/nothing"])
    async def test_its_pages_may_ask_with_the_token(self, target: str) -> None:
        site = "https://studio.example"
        asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        async with running(origins=site, token=SECRET) as run:
            status, headers, body = await get(run.port, target, method="OPTIONS", Origin=site, **asking)
            assert (status, body) == (204, b"")
            assert headers["access-control-allow-origin"] == site
            assert "authorization" in headers["access-control-allow-headers"].split(", ")
            assert {"get", "head"} <= set(headers["access-control-allow-methods"].split(", "))
            assert int(headers["access-control-max-age"]) > 0
            assert headers["vary"] == "origin"
            # What comes of it may be read, also where it is a refusal.
            for bearer, statuses in (
                (BEARER, {200, 404}),
                ({}, {401, 200}),
                ({"Authorization": "Bearer x"}, {401, 200}),
            ):
                status, headers, _ = await get(run.port, target, Origin=site, **bearer)
                assert status in statuses
                assert headers["access-control-allow-origin"] == site
                assert "content-disposition" in headers["access-control-expose-headers"]

    async def test_refusals_of_all_kinds_may_be_read_by_its_pages(self) -> None:
        site = "https://studio.example"
        async with running(origins=site) as run:
            for target, method, wanted in (("/v1/stream", "GET", 426), ("/?token=x", "GET", 400), ("/", "POST", 405)):
                status, headers, _ = await get(run.port, target, method=method, Origin=site)
                assert (status, headers["access-control-allow-origin"]) == (wanted, site)

    async def test_others_are_told_no_when_they_ask(self) -> None:
        async with running(origins="https://studio.example", token=SECRET) as run:
            for origin in ("https://evil.example", "http://studio.example", "null"):
                status, headers, _ = await get(run.port, "/v1/status", method="OPTIONS", Origin=origin)
                assert status == 403
                assert not any(name.startswith("access-control") for name in headers)

    async def test_a_page_of_the_same_place_over_another_scheme_is_another_site(self) -> None:
        async with running() as run:
            here = f"127.0.0.1:{run.port}"
            assert (await get(run.port, "/", Origin=f"http://{here}"))[0] == 200
            assert (await get(run.port, "/", Origin=f"https://{here}"))[0] == 403
            proxied = {"X-Forwarded-Proto": "https"}
            assert (await get(run.port, "/", Origin=f"https://{here}", **proxied))[0] == 200
            assert (await get(run.port, "/", Origin=f"http://{here}", **proxied))[0] == 403
        async with running(proxies="") as run:
            assert (await get(run.port, "/", Origin=f"https://127.0.0.1:{run.port}", **proxied))[0] == 403

    async def test_the_name_that_a_proxy_passes_on_is_answered(self) -> None:
        async with running(hosts="live.example.org", token=SECRET) as run:
            proxied = {"Host": "live.example.org", "Origin": "https://live.example.org"}
            assert (await get(run.port, "/", **proxied))[0] == 200
            assert (await get(run.port, "/", Host="evil.example"))[0] == 403


class TestHeaders:
    @pytest.mark.parametrize("target", ["/", "/web/app.js", "/healthz", "/nothing", "/v1/stream", "/?token=x"])
    async def test_every_answer_has_them(self, target: str) -> None:
        async with running() as run:
            for more in ({}, {"Host": "evil.example"}):
                _, headers, _ = await get(run.port, target, **more)
                assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["x-frame-options"] == "deny"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["cross-origin-opener-policy"] == "same-origin"
                assert headers["permissions-policy"].startswith("camera=(self), microphone=(self), ")
                assert "server" not in headers

    async def test_a_site_that_was_named_may_show_the_page_in_a_frame(self) -> None:
        async with running(frame_ancestors=["https://studio.example"]) as run:
            _, headers, _ = await get(run.port, "/")
            assert "frame-ancestors https://studio.example" in headers["content-security-policy"]
            assert "x-frame-options" not in headers


async def test_a_watcher_that_is_let_in_and_then_talks_is_told_to_be_quiet() -> None:
    async with running() as run:
        watcher = await run.open("/v1/events")
        await watcher.send("hello")
        assert (await event(watcher))["code"] == "watcher.read_only"
        for _ in range(MAX_ERRORS_IN_A_ROW):  # from now on also a token is nothing but noise
            await watcher.send(control("auth", token=WRONG))
        assert (await closing(watcher))[1] == 1008


async def test_a_handshake_that_is_never_finished_is_cut_off() -> None:
    async with running(handshake_timeout_s=1.0) as run:
        client = await run.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n")
        await reader.read()
        writer.close()
        await client.send(sound())
        await until(client, "emotion")
