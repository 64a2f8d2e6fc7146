from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rooms.requests import JoinRequest, WatchRequest, clean_name, parse_join, parse_watch
from serving.rooms.topic import Resume
from wire.errors import ErrorCode, ProtocolError
from wire.media import MediaKind


def result_or_code(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except ProtocolError as error:
        return error.code


class TestWatchRequest:
    def test_nothing_asks_for_all_events(self) -> None:
        assert parse_watch("") == WatchRequest()

    @pytest.mark.parametrize("query", ["media=video,audio", "media=audio&media=video"])
    def test_previews_are_asked_by_kind(self, query: str) -> None:
        assert parse_watch(query).media == {MediaKind.JPEG, MediaKind.PCM_S16}

    def test_one_session(self) -> None:
        assert parse_watch("session=abc&media=video").session == "abc"

    def test_a_room_from_where_one_was(self) -> None:
        assert parse_watch("room=a%20b&instance=x&since=7") == WatchRequest(room="a b", resume=Resume("x", 7))

    @pytest.mark.parametrize(
        "query",
        [
            "media=smell", "size=1", "&&&", "session", "a=1&" * 50, "room=r&session=s", "since=1&instance=x",
            "room=r&since=1", "room=r&instance=x", "room=r&instance=x&since=-1", "room=r&instance=x&since=\u0663",
            "room=a&room=b",
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, query: str) -> None:
        assert result_or_code(parse_watch, query) is ErrorCode.QUERY_INVALID

    @given(st.text(max_size=60))
    def test_any_query_is_understood_or_refused(self, query: str) -> None:
        understood = result_or_code(parse_watch, query)
        assert isinstance(understood, WatchRequest | ErrorCode)


class TestJoinRequest:
    def test_no_room_is_a_session_of_its_own(self) -> None:
        assert parse_join("") == JoinRequest()

    def test_all_that_can_be_asked(self) -> None:
        asked = parse_join("room=stand-up&name=Ana&instance=x&since=0&media=video", "k")
        assert asked == JoinRequest("stand-up", "Ana", "k", Resume("x", 0), frozenset({MediaKind.JPEG}))

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("name=Ana", ErrorCode.QUERY_INVALID),
            ("room=r&session=s", ErrorCode.QUERY_INVALID),
            ("room=", ErrorCode.ROOM_INVALID),
            ("room=%00", ErrorCode.ROOM_INVALID),
            ("room=r&name=%20", ErrorCode.NAME_INVALID),
            (f"room=r&name={'x' * 65}", ErrorCode.NAME_INVALID),
            ("room=r&name=%E2%80%AEanA", ErrorCode.NAME_INVALID),
        ],
    )
    def test_what_can_not_be_is_refused(self, query: str, code: ErrorCode) -> None:
        assert result_or_code(parse_join, query) is code

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_any_name_is_taken_cleaned_or_refused(self, room: str, name: str) -> None:
        asked = result_or_code(parse_join, urlencode({"room": room, "name": name}))
        if isinstance(asked, JoinRequest):
            assert asked.name is not None
            assert clean_name(asked.name, ErrorCode.NAME_INVALID) == asked.name
        else:
            assert asked in {ErrorCode.ROOM_INVALID, ErrorCode.NAME_INVALID}


def test_what_looks_alike_is_the_same_name() -> None:
    names = ["Ana  Le\u0301on ", "Ana L\u00e9on"]
    assert {clean_name(name, ErrorCode.NAME_INVALID) for name in names} == {"Ana L\u00e9on"}


def test_families_of_emoji_may_be_names() -> None:
    assert clean_name("\U0001f468\u200d\U0001f469", ErrorCode.NAME_INVALID)
