"""The places of connections that were not let in yet: the account alone, and with real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_server import Running, closing, control, event, frame, get, running, sound, until
from websockets.asyncio.client import ClientConnection, connect

from serving.http import guarded_connection
from serving.http.guarded_connection import MAX_FIRST_BYTES, MAX_HELD_BYTES
from serving.http.waiting import FEWEST_EACH, MOST, Waiting, owner_of

SECRET = "a-token-that-nobody-guesses"  # noqa: S105 - of a server that lives for a test
OTHER = "127.0.0.2"  # every address of 127.0.0.0/8 is this machine


class Account(Waiting):
    """One that notes who was dropped."""

    def __init__(self, each: int, most: int = MOST) -> None:
        super().__init__(each, most)
        self.gone: list[int] = []

    def come(self, number: int, address: str) -> None:
        self.enter(number, address, lambda: self.gone.append(number))


class TestTheAccount:
    @pytest.mark.parametrize(
        ("address", "owner"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
            ("", ""),
        ],
    )
    def test_who_has_a_whole_network_has_one_share(self, address: str, owner: str) -> None:
        assert owner_of(address) == owner

    def test_the_oldest_of_an_address_with_too_many_goes(self) -> None:
        account = Account(each=FEWEST_EACH)
        for number in range(FEWEST_EACH + 2):
            account.come(number, "192.0.2.1")
        account.come(100, "192.0.2.2")
        assert (account.gone, account.dropped, len(account)) == ([0, 1], 2, FEWEST_EACH + 1)

    def test_when_all_places_are_taken_the_address_with_the_most_gives_one(self) -> None:
        account = Account(each=0, most=5)
        for number, address in enumerate(["a", "b", "b", "c", "b", "d", "e", "f"]):
            account.come(number, address)
        assert account.gone == [1, 2, 0]  # the oldest of three, of two, then of addresses with one each
        account.leave(3)
        account.leave(3)
        assert len(account) == 4

    def test_a_number_that_comes_again_is_another_connection(self) -> None:
        account = Account(each=0, most=5)
        account.come(7, "a")
        account.come(7, "b")
        assert len(account) == 1

    @given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd"), st.booleans()), max_size=80))
    def test_no_more_than_allowed_and_nobody_loses_to_who_has_more(self, moves: list[tuple[int, str, bool]]) -> None:
        account, there = Account(each=FEWEST_EACH, most=10), {}
        for number, address, comes in moves:
            account.gone.clear()
            there.pop(number, None)
            if comes:
                there[number] = address
                before = list(there.values())
                account.come(number, address)
            else:
                account.leave(number)
            for dropped in account.gone:
                lost = there.pop(dropped)
                assert dropped != number or before.count(lost) == 1
                assert lost == address or before.count(lost) == max(map(before.count, before))
            shares = list(there.values())
            assert len(account) == len(there) <= 10
            assert all(shares.count(one) <= FEWEST_EACH for one in shares)


@contextlib.asynccontextmanager
async def silent(port: int, count: int, said: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """Hold connections of 127.0.0.1 that say something incomplete, and then nothing."""
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(said)
            readers.append(reader)
        yield readers


async def logins(run: Running, count: int) -> list[ClientConnection]:
    """Return WebSockets that were opened and show no token."""
    return [await run.open("/v1/events") for _ in range(count)]


async def ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        return await reader.read() == b""
    return True


async def watches_from(address: str, port: int) -> None:
    """See that a watcher of another address is let in."""
    local = (address, 0)
    async with connect(f"ws://127.0.0.1:{port}/v1/events", local_addr=local, max_queue=None) as other:
        await other.send(control("auth", token=SECRET))
        async with connect(f"ws://127.0.0.1:{port}/v1/stream", local_addr=local) as client:
            await client.send(control("auth", token=SECRET))
            assert (await event(client))["type"] == "session.created"
        assert (await event(other))["type"] == "session.created"


class TestSilentSockets:
    async def test_as_many_logins_as_one_address_may_have_keep_nobody_out(self) -> None:
        async with running(token=SECRET, auth_timeout_s=60) as run:
            await logins(run, 64)
            await watches_from(OTHER, run.port)
            await watches_from("127.0.0.1", run.port)  # nor itself: its oldest goes

    @pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
    async def test_any_number_of_them_keeps_nobody_out(self, said: bytes) -> None:
        async with running(token=SECRET, handshake_timeout_s=60) as run, silent(run.port, 300, said) as readers:
            await asyncio.gather(*(ended(reader) for reader in readers[: 300 - 64]))
            await watches_from(OTHER, run.port)
            assert (await get(run.port, "/"))[0] == 200
            _, _, body = await get(run.port, "/healthz", Authorization=f"Bearer {SECRET}")
            assert json.loads(body)["dropped"]["connections"] >= 300 - 64

    async def test_nor_behind_a_proxy_whose_address_has_no_limit(self) -> None:
        async with (
            running(token=SECRET, handshake_timeout_s=60, max_connections_per_address=0) as run,
            silent(run.port, MOST + 20) as readers,
        ):
            await asyncio.gather(*(ended(reader) for reader in readers[:20]))
            await watches_from("127.0.0.1", run.port)

    async def test_who_was_let_in_is_not_cut_off_for_those_who_come(self) -> None:
        async with running(handshake_timeout_s=60) as run:
            client = await run.open()
            await event(client)
            async with silent(run.port, MOST) as readers:
                await asyncio.gather(*(ended(reader) for reader in readers[: MOST - 64]))
                await client.send(sound())
                assert (await until(client, "emotion"))[-1]["label"] == "joy"

    async def test_those_who_go_by_themselves_leave_their_places(self) -> None:
        async with running(max_connections_per_address=8) as run:
            for _ in range(40):
                assert (await get(run.port, "/readyz"))[0] == 200
            assert (await run.health())["dropped"]["connections"] == 0


class TestBeforeTheToken:
    @pytest.mark.parametrize("fragments", [1, 64])
    @pytest.mark.parametrize("size", [MAX_FIRST_BYTES + 600, 3_000_000])
    async def test_only_a_small_message_is_taken(self, size: int, fragments: int) -> None:
        async with running(token=SECRET, auth_timeout_s=60) as run:
            stranger = await run.open()
            piece = bytes(size // fragments)
            with contextlib.suppress(Exception):
                await stranger.send(piece for _ in range(fragments)) if fragments > 1 else await stranger.send(piece)
            (refused,), code, _ = await closing(stranger)
            assert (refused["code"], code) == ("auth.required", 1008)
            await watches_from(OTHER, run.port)

    async def test_pings_are_no_way_round(self) -> None:
        async with running(token=SECRET, auth_timeout_s=60) as run:
            stranger = await run.open()
            with contextlib.suppress(Exception):
                for index in range(200):
                    await stranger.ping(bytes([index]) * 120)
            assert (await closing(stranger))[1] == 1008

    async def test_a_request_that_does_not_end_is_told_so(self) -> None:
        async with running() as run:
            reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
            writer.write(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"x" * 700) for i in range(100)))
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
            writer.close()

    async def test_large_headers_that_servers_of_the_same_name_cause_are_taken(self) -> None:
        async with running() as run:
            cookies = {f"X-Cookie-{index}": "x" * 7_000 for index in range(4)}
            assert (await get(run.port, "/readyz", **cookies))[0] == 200

    async def test_who_sends_on_without_waiting_loses_nothing(self) -> None:
        large = frame(100) + bytes(100_000)
        async with running(token=SECRET) as run:
            client = await run.open()
            for message in (control("auth", token=SECRET), control("session.update", settings={}), large, sound(1000)):
                await client.send(message)
            told = [message["type"] for message in await until(client, "emotion")]
            assert "session.updated" in told
            assert "faces" in told
            await client.send(large)
            await until(client, "faces")

    async def test_who_sends_on_with_a_wrong_token_is_told_why(self) -> None:
        async with running(token=SECRET) as run:
            client = await run.open()
            for message in (control("auth", token="wrong"), sound(), sound(1000)):  # noqa: S106 - wrong
                await client.send(message)
            (refused,), code, _ = await closing(client)
            assert (refused["code"], code) == ("auth.failed", 1008)

    async def test_more_than_a_network_holds_at_once_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guarded_connection, "MAX_HELD_BYTES", 100_000)
        assert MAX_HELD_BYTES >= 2 * 256 * 1024  # asyncio reads so much at once
        async with running(token=SECRET) as run:
            client = await run.open()
            with contextlib.suppress(Exception):
                await client.send(control("auth", token="wrong"))  # noqa: S106 - wrong
                for _ in range(100):
                    await client.send(bytes(50_000))
            assert (await closing(client))[1] in {1006, 1008}


async def test_the_listening_socket_ends_with_the_server() -> None:
    async with running() as run:
        pass
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", run.port), timeout=5):  # noqa: PT011 - whichever
        pass
