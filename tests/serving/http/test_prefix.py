"""The server below a path of its own, behind a proxy that takes it off or leaves it, and says so or does not."""

import json
import re

import pytest
from pydantic import ValidationError
from reverse_proxy import Proxy, proxied
from running_server import event, get, kinds, running, sound, until

from m2fnet_client import connect, watch
from serving.http.pages import PAGES
from stream.settings import ServerSettings

PREFIX = "/tools/emo-1"
# What the proxy does, and whether the server was told the prefix by its settings.
WAYS = [(True, True, False), (True, False, False), (False, True, False), (False, False, True), (True, True, True)]


@pytest.mark.parametrize(("strips", "tells", "is_set"), WAYS)
class TestBehindAProxy:
    async def test_all_that_pages_name_is_there(self, *, strips: bool, tells: bool, is_set: bool) -> None:
        async with (
            running(**({"path_prefix": PREFIX} if is_set else {})) as run,
            proxied(Proxy(run.port, PREFIX, strips=strips, tells=tells)) as port,
        ):
            for path in PAGES:
                status, _, body = await get(port, PREFIX + path)
                assert status == 200
                named = re.findall(r'(?:href|src)="([^"#]+)"', body.decode())
                places = {name for name in named if not name.startswith("data:")}
                assert places
                for place in places:
                    whole = place if place.startswith("/") else f"{PREFIX}/{place.removeprefix('./')}"
                    assert whole.startswith(f"{PREFIX}/")
                    assert (await get(port, whole))[0] == 200
            assert json.loads((await get(port, f"{PREFIX}/healthz"))[2])["status"] == "ok"
            assert (await get(port, f"{PREFIX}/nothing"))[0] == 404

    async def test_clients_come_through(self, *, strips: bool, tells: bool, is_set: bool) -> None:
        async with (
            running(**({"path_prefix": PREFIX} if is_set else {})) as run,
            proxied(Proxy(run.port, PREFIX, strips=strips, tells=tells)) as port,
        ):
            for scheme in ("ws", "http"):
                url = f"{scheme}://127.0.0.1:{port}{PREFIX}"
                async with watch(f"{url}/", room="R") as watcher, connect(url, room="R", name="Ana") as session:
                    await session.send_audio(0, bytes(32_000))
                    async for told in watcher:
                        if told.type == "emotion":
                            break
            target = f"{PREFIX}/v1/rooms/R/export?format=json"
            status, headers, _ = await get(port, target)
            assert (status, headers["content-disposition"].split(";")[0]) == (200, "attachment")


@pytest.mark.parametrize("header", [{}, {"X-Forwarded-Prefix": PREFIX}])
async def test_without_the_slash_at_its_end_the_page_is_where_it_is(header: dict[str, str]) -> None:
    async with running(path_prefix="" if header else PREFIX) as run:
        status, headers, _ = await get(run.port, f"{PREFIX}?room=R", **header)
        assert (status, headers["location"]) == (308, f"{PREFIX}/?room=r")  # lower case by `get`
        assert (await get(run.port, f"{PREFIX}?\x01", **header))[1]["location"] == f"{PREFIX}/"
        # A proxy that takes all of it off leaves nothing to tell this by: the page names whole paths.
        _, _, body = await get(run.port, "/", **header)
        assert f'href="{PREFIX}/web/style.css"'.encode() in body


async def test_with_a_prefix_the_server_itself_is_still_there() -> None:
    async with running(path_prefix=PREFIX) as run:
        for path in ("", PREFIX):
            client = await run.open(f"{path}/v1/stream")
            await client.send(sound())
            assert "emotion" in kinds(await until(client, "emotion"))
            assert (await get(run.port, f"{path}/web/app.js"))[0] == 200
        assert (await get(run.port, f"{PREFIX}-more/web/app.js"))[0] == 404
        assert b"try /tools/emo-1/, " in (await get(run.port, "/nothing"))[2]


@pytest.mark.parametrize("prefix", ["//evil.example", '/x"><script>', "/a/../b", "/.", "/web", "/v1/x", "emo", "/ä"])
async def test_what_can_be_no_prefix_is_not_believed(prefix: str) -> None:
    async with running() as run:
        status, _, body = await get(run.port, "/", **{"X-Forwarded-Prefix": prefix})
        assert status == 200
        assert b'href="./web/style.css"' in body
    with pytest.raises(ValidationError, match="a path prefix is written like /emo"):
        ServerSettings(path_prefix=prefix)


async def test_nor_is_who_is_no_proxy() -> None:
    async with running(proxies="192.0.2.0/24") as run:
        header = {"X-Forwarded-Prefix": PREFIX}
        assert b'href="./web/style.css"' in (await get(run.port, "/", **header))[2]
        assert (await get(run.port, f"{PREFIX}/", **header))[0] == 404


@pytest.mark.parametrize(("written", "prefix"), [("", ""), ("/", ""), ("/emo", "/emo"), ("/a/b.c/", "/a/b.c")])
def test_a_prefix_is_kept_without_the_slash_at_its_end(written: str, prefix: str) -> None:
    assert ServerSettings(path_prefix=written).path_prefix == prefix


async def test_a_page_below_a_prefix_may_use_it() -> None:
    async with running(path_prefix=PREFIX) as run:
        client = await run.open(f"{PREFIX}/v1/stream", origin=f"http://127.0.0.1:{run.port}")
        assert (await event(client))["type"] == "session.created"
