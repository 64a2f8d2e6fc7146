"""Rooms over real connections: who gets what, in which order, and who is let in."""

from typing import Any

from running_server import closing, control, event, frame, kinds, running, sound, until
from websockets.asyncio.client import ClientConnection

from serving.rooms.broadcast import Broadcast
from serving.rooms.rooms import Room
from serving.sessions.client_protocol import JPEG_START
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.speakers import SPEAKERS
from wire.media import MediaKind, MediaMessage, decode_media, encode_media

Message = dict[str, Any]


async def joined(connection: ClientConnection) -> tuple[Message, list[Message]]:
    """Return the state of the room and the events up to the participant's own session."""
    state = await event(connection)
    assert state["type"] == "room.state"
    got = [await event(connection)]
    while (got[-1]["type"], got[-1]["session"]) != ("session.created", state["session"]):
        got.append(await event(connection))
    return state, got


async def until_emotion_of(connection: ClientConnection, session: str) -> list[Message]:
    got = [await event(connection)]
    while (got[-1]["type"], got[-1]["session"]) != ("emotion", session):
        got.append(await event(connection))
    return got


async def test_everybody_of_a_room_gets_the_same_events_in_the_same_order() -> None:
    async with running() as run:
        watcher = await run.open("/v1/events?room=call")
        ana = await run.open("/v1/stream?room=call&name=Ana")
        ana_state, _ = await joined(ana)
        bo = await run.open("/v1/stream?room=call&name=Bo")
        bo_state, _ = await joined(bo)
        for connection, state in ((ana, ana_state), (bo, bo_state), (ana, ana_state)):
            await connection.send(sound())
            await until_emotion_of(connection, state["session"])
        await ana.send(control("session.close"))
        await bo.send(control("session.close"))
        told = [await until(connection, "participant.left") for connection in (watcher, bo)]
        watched, heard = ([message for message in got if message["type"] == "emotion"] for got in told)
        assert [(message["session"], message["speaker"]) for message in watched] == [
            (ana_state["session"], "Ana"), (bo_state["session"], "Bo"), (ana_state["session"], "Ana"),
        ]  # fmt: skip
        assert heard == watched[-len(heard) :]
        numbers = [message["seq"] for message in told[0]]
        assert numbers == list(range(len(numbers)))  # room.state, of an empty room, has 0
        assert {message["room"] for message in told[0]} == {"call"}


async def test_a_session_in_no_room_is_not_heard_in_one() -> None:
    async with running() as run:
        watcher = await run.open("/v1/events?room=call")
        alone, ana = await run.open(), await run.open("/v1/stream?room=call&name=Ana")
        await alone.send(sound())
        assert "room.state" not in kinds(await until(alone, "emotion"))
        await ana.send(control("session.close"))
        got = await until(watcher, "session.closed")
        assert {message["session"] for message in got} == {"", got[-1]["session"]}


async def test_who_comes_late_gets_a_snapshot() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(ana)
        await ana.send(sound())
        await until_emotion_of(ana, state["session"])
        late = await run.open("/v1/events?room=call")
        stands = await event(late)
        assert not stands["resumed"]
        assert stands["key"] == ""
        assert [(each["name"], each["here"]) for each in stands["participants"]] == [("Ana", True)]
        assert kinds(await until(late, "emotion")) == [
            "session.created", "session.updated", "clock.offset", "emotion",
        ]  # fmt: skip


async def test_a_watcher_that_comes_back_misses_nothing() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(ana)
        always, leaving = [await run.open("/v1/events?room=call") for _ in range(2)]
        stands = await event(leaving)
        seen = await until(leaving, "session.created")
        await leaving.close()
        for index in range(3):
            await ana.send(sound(1000 * index))
            await until_emotion_of(ana, state["session"])
        back = await run.open(f"/v1/events?room=call&instance={stands['instance']}&since={seen[-1]['seq']}")
        again = await event(back)
        assert again["resumed"]
        await ana.send(control("session.close"))
        missed, all_of_it = await until(back, "session.closed"), await until(always, "session.closed")
        assert missed == [message for message in all_of_it if message["seq"] > seen[-1]["seq"]]


async def test_who_was_away_for_too_long_gets_a_snapshot() -> None:
    async with running(room_history=2) as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(ana)
        for index in range(3):
            await ana.send(sound(1000 * index))
            await until_emotion_of(ana, state["session"])
        back = await run.open(f"/v1/events?room=call&instance={state['instance']}&since=1")
        assert not (await event(back))["resumed"]
        got = [message for message in await until_all(back, 3, "emotion") if message["type"] == "emotion"]
        assert len(got) == 3


async def until_all(connection: ClientConnection, count: int, kind: str) -> list[Message]:
    got: list[Message] = []
    while kinds(got).count(kind) < count:
        got.append(await event(connection))
    return got


async def test_a_name_that_is_taken_is_refused_and_the_key_takes_it_over() -> None:
    async with running() as run:
        first = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(first)
        (refused,), code, _ = await closing(await run.open("/v1/stream?room=call&name=ANA", key="guess"))
        assert (refused["code"], refused["fatal"], code) == ("name.taken", True, 1008)
        again = await run.open("/v1/stream?room=call&name=Ana", key=state["key"])
        assert again.subprotocol == "m2fnet"
        new_state, _ = await joined(again)
        assert new_state["session"] != state["session"]
        got, code, _ = await closing(first)
        assert (got[-1]["type"], got[-1]["reason"], code) == ("session.closed", "replaced", 1008)
        returned = [message for message in got if message["type"] == "participant.joined"][-1]
        assert (returned["returning"], returned["session"]) == (True, new_state["session"])


async def test_who_gives_no_name_takes_nobodys() -> None:
    async with running() as run:
        first = await run.open("/v1/stream?room=call&name=speaker+2")
        await joined(first)
        second = await run.open("/v1/stream?room=call")
        _, got = await joined(second)
        assert (got[-1]["number"], got[-1]["speaker"]) == (2, "Speaker 3")
        await first.send(control("session.close"))
        assert (await until(first, "session.closed"))[-1]["reason"] == "client"


async def test_who_left_may_come_back_under_the_same_name() -> None:
    async with running() as run:
        watcher = await run.open("/v1/events?room=call")
        for _ in range(2):
            ana = await run.open("/v1/stream?room=call&name=Ana")
            await joined(ana)
            await ana.close()
            await until(watcher, "session.closed")
        late = await event(await run.open("/v1/events?room=call"))
        assert [(each["name"], each["here"]) for each in late["participants"]] == [("Ana", False)]


async def test_who_left_and_comes_back_with_the_key_is_the_same_person_and_anybody_else_is_not() -> None:
    async with running() as run:
        watcher = await run.open("/v1/events?room=call")
        keys = []
        for key in ("", "its own", "guess", ""):
            ana = await run.open("/v1/stream?room=call&name=Ana", key=keys[-1] if key == "its own" else key)
            state, _ = await joined(ana)
            keys.append(state["key"])
            await ana.close()
            await until(watcher, "session.closed")
    first, own, guessed, nobody = keys
    assert own == first
    assert len({first, guessed, nobody}) == 3


async def test_a_room_remembers_no_more_people_than_it_has_to() -> None:
    room = Room(Broadcast(64, 10).open_room("call"), SharedDialog(4))
    ana = room.identify("Ana", "", "s0")
    for number in range(SPEAKERS):
        assert room.identify("ANA", ana.key, f"a{number}") == ana, "who comes again is remembered again"
        room.identify(f"Guest {number}", "", f"s{number + 1}")
    assert len(room.identities) == SPEAKERS
    assert room.identify("Guest 0", "", "again").person == "again"


async def test_rooms_and_participants_are_limited() -> None:
    async with running(max_participants=1, max_rooms=1) as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        await joined(ana)
        for address, expected in (("room=call&name=Bo", "room.full"), ("room=other", "rooms.full")):
            (refused,), code, _ = await closing(await run.open(f"/v1/stream?{address}"))
            assert (refused["code"], code) == (expected, 1013)
        assert (await run.health())["rooms"] == 1


async def test_an_empty_room_is_forgotten_after_a_while_and_begins_anew() -> None:
    async with running(room_linger_s=0) as run:
        instances = []
        for _ in range(2):
            ana = await run.open("/v1/stream?room=call&name=Ana")
            state, _ = await joined(ana)
            instances.append(state["instance"])
            await ana.close()
            await run.until(lambda health: health["rooms"] == 0 and health["sessions"] == 0)
        assert instances[0] != instances[1]


async def test_somebody_who_comes_in_time_finds_the_room_as_it_was() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(ana)
        await ana.close()
        await run.until(lambda health: health["sessions"] == 0)
        bo_state, _ = await joined(await run.open("/v1/stream?room=call&name=Bo"))
        assert bo_state["instance"] == state["instance"]
        assert [(each["name"], each["here"]) for each in bo_state["participants"]] == [("Ana", False)]


async def test_what_one_sends_wrongly_is_told_to_that_one_alone() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        state, _ = await joined(ana)
        watcher = await run.open("/v1/events?room=call")
        await ana.send("nonsense")
        await ana.send(control("session.update", settings={"speaker": "Bo"}))
        for code in ("json.invalid", "field.invalid"):
            error = await event(ana)
            assert (error["type"], error["code"], error["seq"]) == ("error", code, 0)
            assert error["session"] == state["session"]
        await ana.send(control("session.close"))
        assert "error" not in kinds(await until(watcher, "session.closed"))


async def test_frames_are_shown_to_the_others_and_not_to_oneself() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana&media=video")
        await joined(ana)
        bo = await run.open("/v1/stream?room=call&name=Bo&media=video")
        await joined(bo)
        plain = await run.open("/v1/events?room=call")
        await ana.send(encode_media(MediaMessage(MediaKind.JPEG, 400, JPEG_START + b"no frame")))
        await ana.send(frame(900))
        await ana.send(control("session.close"))
        shown_frame = decode_media(await first_frame(bo))
        number = next(each["number"] for each in (await event(plain))["participants"] if each["name"] == "Ana")
        assert (shown_frame.number, shown_frame.payload) == (number, decode_media(frame()).payload)
        own, _, _ = await closing(ana)  # fails where a binary message is among them
        assert own[-1]["type"] == "session.closed"


async def first_frame(connection: ClientConnection) -> bytes:
    while isinstance(message := await connection.recv(), str):
        pass
    return message


async def test_the_clocks_of_two_who_joined_at_different_times_are_related() -> None:
    async with running() as run:
        ana = await run.open("/v1/stream?room=call&name=Ana")
        ana_state, _ = await joined(ana)
        await ana.send(sound())
        first = (await until_emotion_of(ana, ana_state["session"]))[-1]
        bo = await run.open("/v1/stream?room=call&name=Bo")
        bo_state, _ = await joined(bo)
        await bo.send(sound(90_000_000))  # a client's clock may start anywhere
        second = (await until_emotion_of(bo, bo_state["session"]))[-1]
        assert first["start_ms"] == second["start_ms"] == 0
        assert second["room_start_ms"] > first["room_start_ms"]
