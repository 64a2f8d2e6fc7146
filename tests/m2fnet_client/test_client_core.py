"""What the client makes of messages, without a server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2fnet_client import ClientError, ClosedError, Gap, InvalidMessageError, Position, RefusedError, UnknownEvent
from m2fnet_client.addresses import events_address, stream_address
from m2fnet_client.core import EVENT_TYPES, Conversation, Progress, parse_event
from wire import events
from wire.media import MediaKind, MediaMessage, encode_media


def state(seq: int, *, resumed: bool = False, instance: str = "life", **fields: str) -> events.RoomState:
    return events.RoomState(
        room="R",
        seq=seq,
        instance=instance,
        resumed=resumed,
        now_ms=0,
        recording=False,
        participants=[],
        **fields,  # type: ignore[arg-type] # all of them text
    )


def told(seq: int, room: str = "R") -> events.UtteranceResumed:
    return events.UtteranceResumed(room=room, session="s", seq=seq, utterance=1)


def created(session: str, seq: int = 1) -> events.SessionCreated:
    return events.SessionCreated(
        session=session, seq=seq, labels=["joy"], speaker="Ann", engine="none", bundle="starter"
    )


class TestAddresses:
    @pytest.mark.parametrize(
        ("server", "address"),
        [
            ("127.0.0.1:8765", "ws://127.0.0.1:8765/v1/stream"),
            ("http://localhost:8765/", "ws://localhost:8765/v1/stream"),
            ("ws://[::1]:8765/v1/stream", "ws://[::1]:8765/v1/stream"),
            ("https://calls.example/m2fnet", "wss://calls.example/m2fnet/v1/stream"),
            ("wss://calls.example/v1/events", "wss://calls.example/v1/stream"),
        ],
    )
    def test_every_way_to_name_a_server(self, server: str, address: str) -> None:
        assert stream_address(server) == address

    @pytest.mark.parametrize("server", ["", "ftp://host", "ws://", "host:port", "ws://host?token=x", "ws://me:pw@host"])
    def test_what_is_no_server(self, server: str) -> None:
        with pytest.raises(ClientError, match="is no address of a server") as refused:
            events_address(server)
        assert refused.value.code == "address.invalid"

    def test_a_participant_says_who_it_is_and_where_it_stood(self) -> None:
        address = stream_address("h:1", room="stand up", name="Ana & Bo", position=Position("life", 7), media=["video"])
        assert address == ("ws://h:1/v1/stream?room=stand+up&name=Ana+%26+Bo&instance=life&since=7&media=video")

    def test_a_session_of_its_own_asks_for_nothing(self) -> None:
        assert stream_address("h:1", name="Ana", media=["video"]) == "ws://h:1/v1/stream"

    def test_a_watcher_says_what_it_wants(self) -> None:
        assert events_address("h:1", room="R", position=Position("life", 0), media=["video", "audio"]) == (
            "ws://h:1/v1/events?room=R&instance=life&since=0&media=audio%2Cvideo"
        )
        assert events_address("h:1", session="abc") == "ws://h:1/v1/events?session=abc"


class TestEvents:
    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_all_types_are_known(self, name: str) -> None:
        assert EVENT_TYPES[name].model_fields["type"].default == name

    def test_what_it_does_not_know_is_passed_on_or_left_out(self) -> None:
        event = parse_event('{"type": "weather", "session": "s", "seq": 3, "degrees": 21}')
        assert isinstance(event, UnknownEvent)
        assert (event.type, event.seq, event.model_extra) == ("weather", 3, {"degrees": 21})
        known = parse_event(told(1).model_dump_json()[:-1] + ', "mood": 1}')
        assert known == told(1)

    @given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
    def test_any_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidMessageError, match=r"event\.invalid"):
            parse_event(text)

    @given(
        st.dictionaries(st.sampled_from(["type", "seq", "session"]), st.none() | st.integers() | st.lists(st.none()))
    )
    def test_objects_of_any_form_do_no_harm(self, fields: dict[str, object]) -> None:
        with pytest.raises(InvalidMessageError):
            parse_event(json.dumps({"type": 0} | fields))

    def test_a_field_that_makes_no_sense_is_named(self) -> None:
        with pytest.raises(InvalidMessageError, match=r"'utterance.resumed' has a field .* utterance"):
            parse_event('{"type": "utterance.resumed", "utterance": "three"}')

    def test_media_is_decoded(self) -> None:
        message = MediaMessage(MediaKind.JPEG, 40, b"jpeg", number=3)
        conversation = Conversation(Progress(), watching=True)
        assert conversation.receive(encode_media(message)) == [message]
        with pytest.raises(InvalidMessageError, match="media that can't be read"):
            conversation.receive(b"\x09\x01\x00\x00\x00\x00\x00\x00")


class TestProgress:
    def test_a_session_is_counted_from_its_beginning(self) -> None:
        progress = Progress(session_counts=True)
        assert [progress.note(told(seq, room="")) for seq in (1, 2, 5, 0, 6)] == [
            None,
            None,
            Gap("", "s", 3, 4),
            None,
            None,
        ]
        assert progress.position is None

    def test_a_watcher_of_everything_counts_nothing(self) -> None:
        progress = Progress()
        assert [progress.note(told(seq, room="")) for seq in (1, 9, 3)] == [None, None, None]

    def test_a_snapshot_has_holes_and_what_follows_has_none(self) -> None:
        progress = Progress()
        assert [progress.note(event) for event in (state(9), told(2), told(7), told(10), told(12))] == [
            None,
            None,
            None,
            None,
            Gap("R", "s", 11, 11),
        ]
        assert progress.position == Position("life", 12)

    def test_the_first_event_after_a_snapshot_may_be_missing(self) -> None:
        progress = Progress()
        assert [progress.note(event) for event in (state(9), told(2), told(11))][-1] == Gap("R", "s", 10, 10)

    def test_half_a_snapshot_is_no_place_to_go_on_from(self) -> None:
        progress = Progress()
        progress.note(state(9))
        progress.note(told(4))
        assert progress.position is None
        progress.note(told(9))
        assert progress.position == Position("life", 9)

    def test_a_room_without_events_and_one_that_does_not_exist(self) -> None:
        progress = Progress()
        progress.note(state(0, instance=""))
        assert progress.position is None
        progress.note(state(0))
        assert progress.position == Position("life", 0)

    def test_it_goes_on_where_it_was(self) -> None:
        progress = Progress(Position("life", 9))
        assert progress.position == Position("life", 9)
        assert [
            progress.note(event) for event in (state(12, resumed=True), told(10), told(11), told(12), told(14))
        ] == [
            None,
            None,
            None,
            None,
            Gap("R", "s", 13, 13),
        ]

    def test_another_life_of_the_room_begins_anew(self) -> None:
        progress = Progress(Position("life", 90))
        progress.note(state(2, instance="next"))
        assert progress.note(told(1)) is None
        assert progress.note(told(3)) is None
        assert progress.position == Position("next", 3)

    @given(st.integers(1, 30), st.sets(st.integers(1, 40)), st.integers(1, 40))
    def test_what_comes_and_the_gaps_are_everything_after_the_snapshot(
        self, room_seq: int, lost: set[int], last: int
    ) -> None:
        progress = Progress()
        progress.note(state(room_seq))
        last += room_seq
        coming = [seq for seq in range(room_seq + 1, last + 1) if seq not in lost or seq == last]
        accounted: list[int] = []
        for seq in coming:
            gap = progress.note(told(seq))
            accounted += range(gap.first, gap.last + 1) if gap else []
            accounted.append(seq)
        assert accounted == list(range(room_seq + 1, last + 1))
        assert progress.position == Position("life", last)


class TestConversation:
    def test_the_own_session_and_not_that_of_another(self) -> None:
        conversation = Conversation(Progress(), watching=False)
        for event in (state(3, session="mine", key="secret"), created("other", 2), created("mine", 3)):
            conversation.receive(event.model_dump_json())
        ended = events.SessionClosed(session="other", seq=4, reason="client", totals=events.Totals())
        conversation.receive(ended.model_dump_json())
        assert (conversation.session, conversation.key, conversation.created) == ("mine", "secret", created("mine", 3))
        assert not conversation.finished
        conversation.receive(ended.model_copy(update={"session": "mine", "seq": 5}).model_dump_json())
        assert conversation.finished

    def test_refused_at_the_door(self) -> None:
        conversation = Conversation(Progress(), watching=False)
        conversation.receive(events.Error(code="name.taken", message="choose another", fatal=True).model_dump_json())
        refused = conversation.failure(1008, "name.taken")
        assert isinstance(refused, RefusedError)
        assert (refused.code, refused.message, refused.passing) == ("name.taken", "choose another", False)
        assert not conversation.admitted
        later = conversation.failure(1013, "name.taken")
        assert isinstance(later, RefusedError)
        assert later.passing

    @pytest.mark.parametrize(
        ("close_code", "reason", "code"),
        [
            (1013, "too_slow", "too_slow"),
            (1001, "server.stopped", "server.stopped"),
            (1001, "", "server.stopped"),
            (1012, "", "server.stopped"),
            (None, "", "lost"),
            (1006, "", "lost"),
        ],
    )
    def test_why_it_ended(self, close_code: int | None, reason: str, code: str) -> None:
        conversation = Conversation(Progress(), watching=True)
        conversation.receive(state(0).model_dump_json())
        why = conversation.failure(close_code, reason)
        assert isinstance(why, ClosedError)
        assert (why.code, why.close_code) == (code, close_code)
        assert why.message

    def test_a_fatal_error_of_another_is_not_ones_own(self) -> None:
        conversation = Conversation(Progress(), watching=False)
        conversation.receive(state(0, session="mine").model_dump_json())
        broken = events.Error(session="other", seq=1, code="internal", message="it broke", fatal=True)
        conversation.receive(broken.model_dump_json())
        assert conversation.failure(1006, "").code == "lost"
        conversation.receive(broken.model_copy(update={"session": "mine", "seq": 2}).model_dump_json())
        assert conversation.failure(1011, "failed").code == "internal"
