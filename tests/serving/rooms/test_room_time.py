"""Where what participants say stands in the time of their room: by when it came, and never before the room began."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_server import Running, control, event, frame, running, sound, until

from serving.rooms.broadcast import Broadcast
from serving.rooms.requests import JoinRequest
from serving.rooms.rooms import Member, Rooms
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.media import AudioChunk, VideoFrame
from stream.settings import ServerSettings

OPENED_S = 1_000.0


class Call:
    """A room whose clock the test has."""

    def __init__(self) -> None:
        self.now_s = OPENED_S
        broadcast = Broadcast(64, 10, clock=lambda: self.now_s)
        self.rooms = Rooms(ServerSettings(), 8, broadcast)

    def join(self, name: str) -> Member:
        return self.rooms.join(JoinRequest("call", name), lambda _: None)


def chunk(time_ms: float, arrived_s: float | None = None, length_ms: int = 100) -> AudioChunk:
    return AudioChunk(time_ms, np.zeros(16 * length_ms, np.float32), arrived_s)


async def test_who_sends_sound_ahead_of_time_begins_with_the_room_and_not_before() -> None:
    call = Call()
    ana = call.join("Ana")
    ana.arrived(chunk(0, OPENED_S + 0.002))  # 100 ms of it, 2 ms after the room was opened
    assert ana.context.room_ms(0) == pytest.approx(0)
    bo = call.join("Bo")
    bo.arrived(chunk(0, OPENED_S + 0.052))
    assert bo.context.room_ms(0) == pytest.approx(50), "the second is placed by the same clock"


async def test_an_offset_that_becomes_smaller_moves_nothing_before_the_beginning() -> None:
    call = Call()
    ana = call.join("Ana")
    ana.arrived(chunk(0, OPENED_S + 0.5))
    assert ana.context.room_ms(0) == pytest.approx(400)
    ana.arrived(chunk(100, OPENED_S + 0.102))
    assert ana.context.offset_ms() == pytest.approx(-98)
    assert ana.context.room_ms(0) == 0
    assert ana.context.room_ms(1_000) == pytest.approx(902)


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0, 1e6), max_size=20))
def test_the_order_of_what_one_says_is_that_of_its_time_whatever_the_offset(offset: float, times: list[float]) -> None:
    context = SessionContext(SharedDialog(4), "a", lambda: offset)
    places = [context.room_ms(time_ms) for time_ms in sorted(times)]
    assert places == sorted(places)
    assert min(places, default=0.0) >= 0


async def test_a_session_that_is_behind_with_its_media_is_not_behind_in_the_room() -> None:
    """Ana's session takes its media half a minute late, Bo's at once; both began to speak at the same moment."""
    call = Call()
    ana, bo = call.join("Ana"), call.join("Bo")
    media = [(100.0 * index, OPENED_S + 0.1 * (index + 1)) for index in range(50)]
    for time_ms, arrived_s in media:
        call.now_s = arrived_s
        bo.arrived(chunk(time_ms, arrived_s))
    call.now_s = OPENED_S + 30
    for time_ms, arrived_s in media:
        ana.arrived(chunk(time_ms, arrived_s))
        ana.arrived(VideoFrame(time_ms + 100, np.zeros((1, 1, 3), np.uint8), arrived_s))
    assert ana.context.room_ms(2_000) == pytest.approx(bo.context.room_ms(2_000), abs=1)


async def first_start(run: Running, name: str) -> int:
    client = await run.open(f"/v1/stream?room=call&name={name}")
    session = (await event(client))["session"]
    await client.send(frame())
    await client.send(sound())
    got = await until(client, "emotion")
    while got[-1]["session"] != session:
        got += await until(client, "emotion")
    await client.send(control("session.close"))
    return int(got[-1]["room_start_ms"])


async def test_the_first_to_speak_begins_at_0_or_later_and_the_next_after_that() -> None:
    async with running() as run:
        first, second = [await first_start(run, name) for name in ("Ana", "Bo")]
    assert 0 <= first <= second
