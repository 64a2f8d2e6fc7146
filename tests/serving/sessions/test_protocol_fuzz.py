"""Whatever a client sends, in whatever order: the parsers and the state machine of a session stay in their bounds."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serving.rooms.requests import JOIN_FIELDS, WATCH_FIELDS, parse_join, parse_watch
from serving.sessions.client_protocol import (
    MAX_ERRORS_IN_A_ROW,
    Action,
    ClientProtocol,
    Configure,
    Finish,
    Reject,
    State,
    parse_message,
)
from stream.jpeg import JpegFrame
from stream.media import AudioChunk
from stream.settings import Settings
from wire.control import CONTROL_TYPES, parse_auth
from wire.errors import MAX_QUOTED, ErrorCode, ProtocolError
from wire.events import Error
from wire.media import HEADER, MediaKind
from wire.settings import ClientSettings, SegmenterSettings

SETTINGS = Settings()
FIELDS = [*ClientSettings.model_fields, *SegmenterSettings.model_fields, "type", "settings", "token"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(CONTROL_TYPES)
)
keys = st.sampled_from(FIELDS) | st.text(max_size=10)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=20
)
nearly = st.builds(
    lambda kind, rest: json.dumps(rest | {"type": kind}),
    st.sampled_from(CONTROL_TYPES),
    st.dictionaries(keys, values, max_size=6),
)
headers = st.builds(
    HEADER.pack, st.integers(0, 5), st.integers(0, 2), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
)
payloads = st.binary(max_size=64) | st.binary(max_size=40).map(b"\xff\xd8\xff".__add__)
messages = (
    st.text(max_size=80)
    | values.map(json.dumps)
    | nearly
    | st.binary(max_size=40)
    | st.builds(bytes.__add__, headers, payloads)
)


def attempt(parse: Callable[[Any], object], data: str | bytes) -> object:
    """Return what was understood, or the error, which is the only kind there may be."""
    try:
        return parse(data)
    except ProtocolError as error:
        return error


def is_an_answer(error: ProtocolError) -> bool:
    return error.code in ErrorCode and 0 < len(str(error)) < 4 * MAX_QUOTED


@given(messages)
def test_any_message_is_understood_or_has_a_code(message: str | bytes) -> None:
    understood = attempt(parse_message, message)
    if isinstance(understood, ProtocolError):
        assert is_an_answer(understood)
    if isinstance(understood, AudioChunk):
        assert len(understood.samples)
        assert np.isfinite(understood.samples).all()
        assert np.abs(understood.samples).max() <= 1


@given(messages)
def test_any_message_gives_a_token_or_none(message: str | bytes) -> None:
    token = parse_auth(message)
    assert token is None or (isinstance(message, str) and json.loads(message)["type"] == "auth")


@given(st.integers(1, 2_000))
def test_depth_breaks_no_parser(depth: int) -> None:
    for text in (
        "[" * depth,
        "[" * depth + "]" * depth,
        '{"type":' * depth,
        '{"type": "auth", "token": ' + "[" * depth,
    ):
        attempt(parse_message, text)


queries = st.lists(
    st.tuples(st.sampled_from([*JOIN_FIELDS, *WATCH_FIELDS, "token"]) | st.text(max_size=5), st.text(max_size=80)),
    max_size=20,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@given(queries | st.text(max_size=200))
def test_any_query_is_understood_or_has_a_code(query: str) -> None:
    for parse in (parse_join, parse_watch):
        understood = attempt(parse, query)
        assert not isinstance(understood, ProtocolError) or is_an_answer(understood)


class Conversation(RuleBasedStateMachine):
    """One client that sends anything, and a model of what may come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol = ClientProtocol(SETTINGS)
        self.actions: list[Action] = []
        self.bad_in_a_row = 0

    def send(self, message: str | bytes) -> list[Action]:
        before = self.protocol.state
        actions = list(self.protocol.receive(message))
        self.actions += actions
        errors = [action.error for action in actions if isinstance(action, Reject)]
        self.check_errors(errors, before)
        if before in {State.CLOSING, State.CLOSED}:
            assert all(isinstance(action, Reject) for action in actions)
            assert len(actions) <= (before is State.CLOSING)
        return actions

    def check_errors(self, errors: list[Error], before: State) -> None:
        assert len(errors) <= 1
        if before not in {State.CLOSING, State.CLOSED}:
            self.bad_in_a_row = self.bad_in_a_row + 1 if errors else 0
            fatal = self.bad_in_a_row == MAX_ERRORS_IN_A_ROW
            assert [error.fatal for error in errors] == [fatal] * len(errors)

    @rule(message=messages)
    def anything(self, message: str | bytes) -> None:
        self.send(message)

    @rule(count=st.integers(1, 60))
    def much_nonsense(self, count: int) -> None:
        for _ in range(count):
            self.send("nonsense")

    @rule(time_ms=st.integers(0, 0xFFFF_FFFF), samples=st.binary(min_size=2, max_size=20))
    def sound(self, time_ms: int, samples: bytes) -> None:
        whole = samples[: len(samples) // 2 * 2]
        actions = self.send(HEADER.pack(MediaKind.PCM_S16, 1, 0, time_ms) + whole)
        assert self.is_over or isinstance(actions[-1], AudioChunk)

    @rule(time_ms=st.integers(0, 0xFFFF_FFFF))
    def frame(self, time_ms: int) -> None:
        actions = self.send(HEADER.pack(MediaKind.JPEG, 1, 0, time_ms) + b"\xff\xd8\xff")
        assert self.is_over or isinstance(actions[-1], JpegFrame)

    @rule(name=st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable()))
    def update(self, name: str) -> None:
        streaming = self.protocol.state is State.STREAMING
        actions = self.send(json.dumps({"type": "session.update", "settings": {"speaker": name}}))
        if self.is_over:
            return
        assert isinstance(actions[0], Reject if streaming else Configure)

    @rule()
    def token(self) -> None:
        before = self.protocol.state
        if self.is_over:
            return
        assert self.send(json.dumps({"type": "auth", "token": "whatever"})) == []
        assert self.protocol.state is before

    @rule()
    def close(self) -> None:
        over = self.is_over
        actions = self.send(json.dumps({"type": "session.close"}))
        assert over or actions == [Finish("client")]

    @rule()
    def told_closed(self) -> None:
        if any(isinstance(action, Finish) for action in self.actions):
            self.protocol.closed()
            assert self.send("nonsense") == []

    @property
    def is_over(self) -> bool:
        return self.protocol.state in {State.CLOSING, State.CLOSED}

    @invariant()
    def the_session_is_finished_once_and_is_configured_before_media(self) -> None:
        finishes = [action for action in self.actions if isinstance(action, Finish)]
        assert len(finishes) <= 1
        assert self.is_over == bool(finishes)
        media = [index for index, action in enumerate(self.actions) if isinstance(action, AudioChunk | JpegFrame)]
        configured = [index for index, action in enumerate(self.actions) if isinstance(action, Configure)]
        if media:
            assert configured
            assert max(configured) < media[0]


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30)
