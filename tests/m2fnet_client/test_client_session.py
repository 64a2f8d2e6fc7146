"""Participants, with the real server; what no real server does is done by one that says what the test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from running_server import EverySound, Running, frame, running, tone
from websockets.asyncio.server import ServerConnection, serve

from m2fnet_client import ClientError, ClosedError, Gap, RefusedError, UnknownEvent, UnreachableError, connect
from m2fnet_client.buffer import Buffer
from stream.media import AudioChunk, VideoFrame
from wire import events
from wire.media import MediaKind, MediaMessage, decode_media
from wire.settings import ClientSettings, SegmenterSettings

CLIP = Path(__file__).parents[1] / "fixtures" / "speech" / "one_sentence.opus"
CREATED = events.SessionCreated(session="s", seq=1, labels=["joy"], speaker="Ann", engine="none", bundle="b")
CLOSED = events.SessionClosed(session="s", seq=9, reason="client", totals=events.Totals())


def url(run: Running) -> str:
    return f"127.0.0.1:{run.port}"


@contextlib.asynccontextmanager
async def saying(messages: Sequence[str | bytes], *, then_wait: bool = False) -> AsyncIterator[str]:
    """A peer that says these messages to who connects, and closes."""

    async def say(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message)
        if then_wait:
            await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as peer:
        port = next(iter(peer.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


class TestSession:
    async def test_sound_becomes_emotions_and_the_session_ends(self) -> None:
        async with running() as run, connect(url(run), name="Ann") as session:
            assert session.id
            await session.send_audio(0, np.full(1_600, 0.1, np.float32))
            await session.send_audio(100, bytes(3_200))
            await session.send_frame(150, decode_media(frame()).payload)
            closed = await session.finish()
            told = [event async for event in session]
        assert (closed.reason, closed.totals.utterances, closed.totals.video_frames) == ("client", 2, 1)
        assert told[-1] == closed
        assert not any(isinstance(event, Gap) for event in told)
        emotions = [event for event in told if isinstance(event, events.Emotion)]
        assert [(event.start_ms, event.speaker) for event in emotions] == [(0, "Ann"), (100, "Ann")]
        assert session.labels == ["neutral", "joy"]

    async def test_events_come_while_it_sends(self) -> None:
        async with running() as run, connect(url(run)) as session:
            await session.send_audio(0, bytes(3_200))
            async for event in session:
                if isinstance(event, events.Emotion):
                    break
            assert (await session.finish()).totals.utterances == 1

    async def test_settings_are_those_asked_for_and_the_name_stays(self) -> None:
        async with running() as run, connect(url(run), name="Ann") as session:
            await session.configure(ClientSettings(faces=False, segmenter=SegmenterSettings(confirmed_end_ms=700)))
            await session.finish()
            updates = [event async for event in session if isinstance(event, events.SessionUpdated)]
        assert [update.speaker for update in updates] == ["Ann", "Ann"]
        assert updates[-1].settings["faces"] is False
        segmenter = updates[-1].settings["segmenter"]
        assert isinstance(segmenter, dict)
        assert segmenter["confirmed_end_ms"] == 700

    async def test_a_time_that_the_protocol_does_not_have(self) -> None:
        async with running() as run, connect(url(run)) as session:
            for time_ms in (-1, 2**32):
                with pytest.raises(ClientError, match="media time goes from 0") as refused:
                    await session.send_audio(time_ms, bytes(2))
                assert refused.value.code == "time.invalid"
            assert (await session.finish()).totals.utterances == 0

    async def test_leaving_without_a_word_ends_the_session(self) -> None:
        async with running() as run:
            async with connect(url(run)) as session:
                await session.send_audio(0, bytes(3_200))
            await run.until(lambda health: health["sessions"] == 0)

    async def test_a_file_is_sent_at_its_own_speed(self, tmp_path: Path) -> None:
        async with running() as run, connect(url(run)) as session:
            begun = asyncio.get_running_loop().time()
            end_ms = await session.send_file(tone(tmp_path / "tone.wav"))
            assert asyncio.get_running_loop().time() - begun >= 0.5  # however busy the machine is, never less
            assert await session.send_file(tmp_path / "tone.wav", start_ms=end_ms) == 2 * end_ms == 1_000
            closed = await session.finish()
            starts = [event.start_ms async for event in session if isinstance(event, events.Emotion)]
        assert starts == list(range(0, 1_000, 100))
        assert closed.totals.dropped_audio_chunks == 0

    async def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        async with running() as run, connect(url(run)) as session:
            with pytest.raises(ClientError, match="does not exist") as refused:
                await session.send_file(tmp_path / "none.wav")
            assert refused.value.code == "file.not_found"

    async def test_a_file_is_played_and_its_events_come_meanwhile(self, tmp_path: Path) -> None:
        async with running() as run, connect(url(run)) as session:
            told = [event async for event in session.play(tone(tmp_path / "tone.wav"))]
        assert [event.start_ms for event in told if isinstance(event, events.Emotion)] == list(range(0, 500, 100))
        assert isinstance(told[-1], events.SessionClosed)

    async def test_playing_a_file_that_is_not_there_ends(self, tmp_path: Path) -> None:
        async with running() as run, connect(url(run)) as session:
            with pytest.raises(ClientError, match="does not exist"):
                async for _ in session.play(tmp_path / "none.wav"):
                    pass

    async def test_sending_a_file_can_be_given_up(self) -> None:
        async with running() as run, connect(url(run)) as session:
            sending = asyncio.create_task(session.send_file(CLIP))
            async for event in session:
                if isinstance(event, events.Emotion):
                    break
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert (await session.finish()).reason == "client"


class TestEnds:
    async def test_nobody_there(self) -> None:
        async with running() as run:
            address = url(run)
        with pytest.raises(UnreachableError, match="no server answers at 127"):
            async with connect(address):
                pass

    async def test_the_server_is_full(self) -> None:
        async with running(max_sessions=1) as run, connect(url(run)):
            with pytest.raises(RefusedError, match="try again later") as refused:
                async with connect(url(run)):
                    pass
        assert (refused.value.code, refused.value.passing) == ("overloaded", True)

    async def test_there_is_something_else_at_the_address(self) -> None:
        async with running() as run:
            with pytest.raises(RefusedError, match="there is nothing here") as refused:
                async with connect(f"{url(run)}/elsewhere"):
                    pass
            assert (refused.value.code, refused.value.passing) == ("http.404", False)

    async def test_something_that_speaks_no_http(self) -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        other = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        async with other:
            with pytest.raises(UnreachableError):
                async with connect(f"127.0.0.1:{port}"):
                    pass

    async def test_the_server_stops(self) -> None:
        async with running() as run, connect(url(run)) as session:
            await session.send_audio(0, bytes(3_200))
            run.stop.set()
            with pytest.raises(ClosedError, match="the server was stopped") as closed:
                async for _ in session:
                    pass
            assert (closed.value.code, closed.value.close_code) == ("server.stopped", 1001)
            with pytest.raises(ClosedError, match="the server was stopped"):
                await session.send_audio(100, bytes(3_200))

    async def test_the_session_breaks(self) -> None:
        class Broken(EverySound):
            def push(self, media: AudioChunk | VideoFrame) -> None:
                message = f"no {type(media).__name__} today"
                raise RuntimeError(message)

        async with running(Broken) as run, connect(url(run)) as session:
            await session.send_audio(0, bytes(3_200))
            with pytest.raises(ClosedError) as closed:
                await session.finish()
            assert closed.value.code == "internal"

    async def test_too_long_a_message(self) -> None:
        async with running() as run, connect(url(run)) as session:
            await session.send(MediaMessage(MediaKind.JPEG, 0, b"\xff\xd8\xff" + bytes(4_500_000)))
            with pytest.raises(ClosedError) as closed:
                await session.finish()
            assert closed.value.close_code == 1009

    async def test_sending_after_the_end(self) -> None:
        async with running() as run, connect(url(run)) as session:
            await session.finish()
            with pytest.raises(ClosedError, match="the session has ended"):
                await session.send_audio(0, bytes(3_200))

    async def test_a_server_that_does_not_finish(self) -> None:
        async with saying([CREATED.model_dump_json()], then_wait=True) as address, connect(address) as session:
            with pytest.raises(ClosedError, match="did not finish the session within 0 s"):
                await session.finish(timeout_s=0.01)

    async def test_a_lost_event_is_told_in_its_place(self) -> None:
        late = events.UtteranceResumed(session="s", seq=4, utterance=1)
        messages = [event.model_dump_json() for event in (CREATED, late, CLOSED.model_copy(update={"seq": 5}))]
        async with saying(messages) as address, connect(address) as session:
            told = [item async for item in session]
        assert told[1:3] == [Gap("", "s", 2, 3), late]

    async def test_what_it_does_not_know_is_passed_on(self) -> None:
        weather = '{"type": "weather", "session": "s", "seq": 2, "degrees": 21}'
        messages = [CREATED.model_dump_json(), weather, CLOSED.model_copy(update={"seq": 3}).model_dump_json()]
        async with saying(messages) as address, connect(address) as session:
            told = [item async for item in session]
        assert isinstance(told[1], UnknownEvent)
        assert told[1].model_extra == {"degrees": 21}

    async def test_what_is_no_event_ends_the_connection(self) -> None:
        async with saying([CREATED.model_dump_json(), "hello"], then_wait=True) as address, connect(address) as session:
            with pytest.raises(ClientError, match="is there another program at the address"):
                async for _ in session:
                    pass

    async def test_what_breaks_in_the_client_is_raised_where_it_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def boom(*_: object, **__: object) -> None:
            message = "no such thing"
            raise KeyError(message)

        async with running() as run, connect(url(run)) as session:
            monkeypatch.setattr(session._conversation, "receive", boom)
            await session.send_audio(0, bytes(3_200))
            with pytest.raises(ClosedError) as raised:
                async for _ in session:
                    pass
        assert raised.value.code == "client.broken"
        assert isinstance(raised.value.__cause__, KeyError)

    async def test_what_breaks_while_a_file_is_played_is_raised_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def boom(*_: object, **__: object) -> None:
            message = "no such thing"
            raise KeyError(message)

        monkeypatch.setattr("m2fnet_client.file_media.file_messages", boom)
        async with running() as run, connect(url(run)) as session:
            with pytest.raises(ClosedError, match="client itself broke"):
                async for _ in session.play(CLIP):
                    pass


class TestBuffer:
    async def test_what_is_not_taken_waits_up_to_a_limit(self) -> None:
        buffer: Buffer[int] = Buffer(limit=100)
        putting = asyncio.create_task(put_all(buffer, count=10, size=60))
        await asyncio.sleep(0.01)
        assert buffer.size == 120  # the first that is too much is the last
        assert [await buffer.take() for _ in range(10)] == list(range(10))
        await putting
        with pytest.raises(StopAsyncIteration):
            await buffer.take()

    async def test_who_waits_goes_on_when_the_limit_is_lifted(self) -> None:
        buffer: Buffer[int] = Buffer(limit=0)
        putting = asyncio.create_task(put_all(buffer, count=10, size=60))
        await buffer.lift_limit()
        await putting
        assert buffer.size == 600

    async def test_a_session_that_nobody_reads_can_be_finished(self) -> None:
        class Talkative(EverySound):
            def push(self, media: AudioChunk | VideoFrame) -> None:
                for number in range(300):
                    self.emit(events.UtteranceDiscarded(utterance=number, reason="x" * 65_536))
                super().push(media)

        async with running(Talkative, watcher_queue=1_000) as run, connect(url(run)) as session:
            await session.send_audio(0, bytes(3_200))
            assert (await session.finish()).totals.utterances == 1
            told = [event async for event in session if isinstance(event, events.UtteranceDiscarded)]
        assert [event.utterance for event in told] == list(range(300))


async def put_all(buffer: Buffer[int], count: int, size: int) -> None:
    for number in range(count):
        await buffer.put(number, size)
    await buffer.end(None)
