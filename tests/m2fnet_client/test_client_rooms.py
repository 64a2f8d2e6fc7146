"""Rooms, and watchers that come back: the real server, behind a network that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from running_server import EverySound, Running, frame, running
from websockets.asyncio.server import ServerConnection, serve

from m2fnet_client import (
    ClientError,
    ClosedError,
    Gap,
    Reconnecting,
    RefusedError,
    Retry,
    Session,
    UnreachableError,
    Watched,
    Watcher,
    connect,
    watch,
)
from stream.media import AudioChunk, VideoFrame
from wire import events
from wire.media import MediaKind, MediaMessage, decode_media

SOUND = bytes(3_200)
SOON = Retry(first_s=0.01, longest_s=0.05, attempts=None)


def url(run: Running) -> str:
    return f"127.0.0.1:{run.port}"


@dataclass
class Network:
    """Passes bytes on to a server until it is cut."""

    to_port: int
    port: int = 0
    down: bool = False
    ways: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            way = asyncio.create_task(self.carry(source, sink))
            self.ways.add(way)
            way.add_done_callback(self.ways.discard)

    @staticmethod
    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.transport.abort()

    def cut(self) -> None:
        for way in self.ways:
            way.cancel()


@contextlib.asynccontextmanager
async def network(run: Running) -> AsyncIterator[Network]:
    net = Network(run.port)
    async with await asyncio.start_server(net.accept, "127.0.0.1", 0) as listening:
        net.port = listening.sockets[0].getsockname()[1]
        yield net
        net.cut()


async def until(items: Watcher | Session, wanted: Callable[[object], bool]) -> list[Watched]:
    """Return what comes up to and with the first that is wanted."""
    got: list[Watched] = []
    async for item in items:
        got.append(item)
        if wanted(item):
            break
    return got


def emotion_at(start_ms: int) -> Callable[[object], bool]:
    return lambda item: isinstance(item, events.Emotion) and item.start_ms == start_ms


def emotion_of(session: str) -> Callable[[object], bool]:
    return lambda item: isinstance(item, events.Emotion) and item.session == session


def numbers(items: list[Watched]) -> list[int]:
    """Return the numbers of a room's events, without room.state, which is none of them."""
    told = [item for item in items if not isinstance(item, Gap | Reconnecting | MediaMessage | events.RoomState)]
    return [event.seq for event in told if event.seq]


class TestParticipants:
    async def test_everybody_gets_the_events_of_all(self) -> None:
        async with (
            running() as run,
            connect(url(run), room="R", name="Ana") as ana,
            connect(url(run), room="R", name="Bo") as bo,
        ):
            assert ana.id != bo.id
            assert ana.key
            await ana.send_audio(0, SOUND)
            await until(bo, emotion_at(0))
            await bo.send_audio(500, SOUND)
            for one in (ana, bo):
                last = (await until(one, emotion_of(bo.id)))[-1]
                assert isinstance(last, events.Emotion)
                assert (last.speaker, last.room) == ("Bo", "R")
            await ana.finish()
            left = await until(bo, lambda item: isinstance(item, events.ParticipantLeft))
            assert isinstance(left[-1], events.ParticipantLeft)
            assert left[-1].name == "Ana"
            assert (await bo.finish()).session == bo.id

    async def test_a_name_that_is_taken_and_the_key_that_gets_it_back(self) -> None:
        async with running() as run, connect(url(run), room="R", name="Ana") as first:
            await first.send_audio(0, SOUND)
            before = await until(first, emotion_at(0))
            with pytest.raises(RefusedError, match="choose another name") as refused:
                async with connect(url(run), room="R", name="Ana"):
                    pass
            assert (refused.value.code, refused.value.passing) == ("name.taken", False)
            at = first.position
            assert at is not None
            async with connect(url(run), room="R", name="Ana", key=first.key, position=at) as again:
                with pytest.raises(ClosedError) as closed:
                    await until(first, lambda _: False)
                assert closed.value.code == "replaced"
                await again.send_audio(700, SOUND)
                after = await until(again, emotion_of(again.id))
            state = after[0]
            assert isinstance(state, events.RoomState)
            assert state.resumed
            assert numbers(before) + numbers(after) == list(range(1, numbers(after)[-1] + 1))

    async def test_who_comes_back_gets_also_what_came_and_was_not_looked_at(self) -> None:
        async with running() as run, connect(url(run), room="R", name="Bo") as bo:
            async with connect(url(run), room="R", name="Ana") as ana:
                seen = await until(ana, lambda item: isinstance(item, events.SessionCreated) and item.session == ana.id)
                await ana.send_audio(0, SOUND)
                await until(bo, emotion_of(ana.id))
                await ana.finish()
            async with connect(url(run), room="R", name="Ana", position=ana.position) as again:
                rest = await until(again, lambda item: isinstance(item, events.SessionCreated))
        assert numbers(rest)[0] == numbers(seen)[-1] + 1
        assert any(isinstance(item, events.Emotion) for item in rest)

    async def test_the_room_is_full_and_will_not_be_for_ever(self) -> None:
        async with running(max_participants=1) as run, connect(url(run), room="R", name="Ana"):
            with pytest.raises(RefusedError) as refused:
                async with connect(url(run), room="R", name="Bo"):
                    pass
            assert (refused.value.code, refused.value.passing) == ("room.full", True)

    async def test_the_others_can_be_seen(self) -> None:
        async with (
            running() as run,
            connect(url(run), room="R", name="Ana") as ana,
            connect(url(run), room="R", name="Bo", media=["video"]) as bo,
        ):
            jpeg = decode_media(frame()).payload
            await ana.send_frame(0, jpeg)
            seen = (await until(bo, lambda item: isinstance(item, MediaMessage)))[-1]
            assert isinstance(seen, MediaMessage)
            assert (seen.kind, seen.payload) == (MediaKind.JPEG, jpeg)


class TestWatchers:
    async def test_one_who_waits_for_a_room_gets_all_of_it(self) -> None:
        async with running() as run, watch(url(run), room="R") as watcher:
            first = asyncio.create_task(anext(watcher))
            await run.until(lambda health: health["watchers"] == 1)
            async with connect(url(run), room="R", name="Ana") as ana:
                await ana.send_audio(0, SOUND)
                state = await first
                told = await until(watcher, emotion_at(0))
            assert isinstance(state, events.RoomState)
            assert numbers(told) == list(range(1, len(told) + 1))

    async def test_one_who_was_cut_off_gets_what_it_missed_once_and_in_order(self) -> None:
        async with (
            running() as run,
            network(run) as net,
            connect(url(run), room="R", name="Ana") as ana,
            watch(f"127.0.0.1:{net.port}", room="R", retry=SOON) as watcher,
        ):
            await ana.send_audio(0, SOUND)
            told = await until(watcher, emotion_at(0))
            assert isinstance(told[0], events.RoomState)
            seen = told[0].seq
            for round_ in range(1, 4):
                net.down = True
                net.cut()
                missed = asyncio.create_task(until(watcher, emotion_at(1_000 * round_ + 400)))
                for piece in range(5):  # while nobody watches
                    await ana.send_audio(1_000 * round_ + 100 * piece, SOUND)
                await until(ana, emotion_at(1_000 * round_ + 400))
                net.down = False
                back = await missed
                states = [item for item in back if isinstance(item, events.RoomState)]
                assert [state.resumed for state in states] == [True]
                assert any(isinstance(item, Reconnecting) for item in back)
                told += back
            assert not any(isinstance(item, Gap) for item in told)
            live = [number for number in numbers(told) if number > seen]
            assert live == list(range(seen + 1, live[-1] + 1))

    async def test_too_long_ago_is_a_snapshot(self) -> None:
        async with (
            running(room_history=4) as run,
            network(run) as net,
            connect(url(run), room="R", name="Ana") as ana,
            watch(f"127.0.0.1:{net.port}", room="R", retry=SOON) as watcher,
        ):
            await ana.send_audio(0, SOUND)
            await until(watcher, emotion_at(0))
            net.down = True
            net.cut()
            back = asyncio.create_task(until(watcher, emotion_at(1_900)))
            for piece in range(10):
                await ana.send_audio(1_000 + 100 * piece, SOUND)
            await until(ana, emotion_at(1_900))
            net.down = False
            told = await back
            (state,) = [item for item in told if isinstance(item, events.RoomState)]
            assert not state.resumed
            assert not any(isinstance(item, Gap) for item in told)
            finals = [item.start_ms for item in told if isinstance(item, events.Emotion)]
            assert finals == [0, *range(1_000, 2_000, 100)]

    async def test_a_position_goes_on_in_another_program(self) -> None:
        async with running() as run, connect(url(run), room="R", name="Ana") as ana:
            await ana.send_audio(0, SOUND)
            async with watch(url(run), room="R") as watcher:
                before = await until(watcher, emotion_at(0))
                position = watcher.position
            await ana.send_audio(100, SOUND)
            async with watch(url(run), room="R", position=position) as watcher:
                after = await until(watcher, emotion_at(100))
            assert numbers(after)[0] == numbers(before)[-1] + 1

    async def test_what_was_dropped_is_told_as_a_gap(self) -> None:
        class Talkative(EverySound):
            def push(self, media: AudioChunk | VideoFrame) -> None:
                for number in range(400):
                    self.emit(events.UtteranceDiscarded(utterance=number, reason="x" * 65_536))
                super().push(media)

        async with (
            running(Talkative, watcher_queue=64, watcher_patience_s=600.0) as run,
            watch(url(run), room="R") as watcher,
        ):
            first = asyncio.create_task(anext(watcher))
            await run.until(lambda health: health["watchers"] == 1)
            async with watch(url(run), room="R") as quick:
                reading = asyncio.create_task(until(quick, emotion_at(0)))
                async with connect(url(run), room="R", name="Ana") as ana:
                    await first  # and reads no more until all was said
                    await ana.send_audio(0, SOUND)
                    await reading
                    told = await until(watcher, emotion_at(0))
        gaps = [item for item in told if isinstance(item, Gap)]
        assert gaps
        lost = [number for gap in gaps for number in range(gap.first, gap.last + 1)]
        assert sorted(numbers(told) + lost) == list(range(1, numbers(told)[-1] + 1))

    async def test_without_a_server_it_says_so_or_waits(self) -> None:
        async with running() as run, network(run) as net:
            net.down = True
            with pytest.raises(UnreachableError):
                await anext(watch(f"127.0.0.1:{net.port}", room="R"))
            async with watch(f"127.0.0.1:{net.port}", room="R", retry=SOON, wait_for_server=True) as watcher:
                waiting = await anext(watcher)
                assert isinstance(waiting, Reconnecting)
                assert isinstance(waiting.reason, UnreachableError)
                net.down = False
                async with connect(url(run), room="R", name="Ana"):
                    assert isinstance(
                        (await until(watcher, lambda item: isinstance(item, events.RoomState)))[-1], object
                    )

    async def test_it_gives_up_after_so_many_tries(self) -> None:
        async with running() as run, network(run) as net, connect(url(run), room="R", name="Ana"):
            retry = Retry(first_s=0.01, longest_s=0.01, attempts=3)
            async with watch(f"127.0.0.1:{net.port}", room="R", retry=retry) as watcher:
                await anext(watcher)
                net.down = True
                net.cut()
                with pytest.raises(UnreachableError, match="given up after 3 tries in a row"):
                    await until(watcher, lambda _: False)

    async def test_it_gives_up_a_server_that_has_ended_and_says_so(self) -> None:
        retry = Retry(first_s=0.01, longest_s=0.01, attempts=3)
        async with running() as run, watch(url(run), room="R", retry=retry) as watcher:
            async with connect(url(run), room="R", name="Ana"):
                await until(watcher, lambda item: isinstance(item, events.SessionCreated))
            run.stop.set()
            with pytest.raises(ClientError, match="given up after 3 tries since the server was stopped"):
                await until(watcher, lambda _: False)

    async def test_what_makes_no_sense_is_not_tried_again(self) -> None:
        async with running() as run:
            for asked, code in (({"session": "none"}, "session.unknown"), ({"room": "\x07"}, "room.invalid")):
                with pytest.raises(RefusedError) as refused:
                    await anext(watch(url(run), retry=SOON, wait_for_server=True, **asked))
                assert refused.value.code == code

    async def test_it_comes_back_to_a_server_that_was_restarted(self) -> None:
        async with (
            running() as run,
            network(run) as net,
            watch(f"127.0.0.1:{net.port}", room="R", retry=SOON) as watcher,
        ):
            async with connect(url(run), room="R", name="Ana"):
                await until(watcher, lambda item: isinstance(item, events.SessionCreated))
            run.stop.set()
            stopped = (await until(watcher, lambda item: isinstance(item, Reconnecting)))[-1]
            assert isinstance(stopped, Reconnecting)
            assert stopped.reason.code == "server.stopped"
            async with running() as second, connect(url(second), room="R", name="Ana"):
                net.to_port = second.port
                told = await until(watcher, lambda item: isinstance(item, events.SessionCreated))
            (state,) = [item for item in told if isinstance(item, events.RoomState)]
            assert not state.resumed

    async def test_it_can_be_closed_while_somebody_waits(self) -> None:
        async with running() as run, watch(url(run), room="R") as watcher:
            reading = asyncio.create_task(until(watcher, lambda _: False))
            await run.until(lambda health: health["watchers"] == 1)
            await watcher.aclose()
            assert await reading == []


class TestToken:
    async def test_it_goes_into_a_header_and_never_into_the_address(self) -> None:
        asked: list[tuple[str, str | None]] = []

        async def note(socket: ServerConnection) -> None:
            assert socket.request
            asked.append((socket.request.path, socket.request.headers.get("Authorization")))

        async with serve(note, "127.0.0.1", 0) as peer:
            port = next(iter(peer.sockets)).getsockname()[1]
            with pytest.raises(ClosedError):
                async with connect(f"127.0.0.1:{port}", room="R", token="secret"):  # noqa: S106 - the test's own
                    pass
            async with watch(f"127.0.0.1:{port}", room="R", token="secret") as watcher:  # noqa: S106 - as above
                await anext(watcher)
        assert asked == [
            ("/v1/stream?room=R", "Bearer secret"),
            ("/v1/events?room=R", "Bearer secret"),
        ]
