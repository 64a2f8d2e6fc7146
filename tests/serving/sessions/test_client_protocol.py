import json
import struct
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sessions.client_protocol import (
    MAX_ERRORS_IN_A_ROW,
    ClientProtocol,
    Configure,
    Finish,
    Reject,
    State,
    parse_media,
    parse_message,
)
from stream.jpeg import JpegFrame
from stream.media import AudioChunk
from stream.settings import Settings
from wire.control import MAX_TEXT, SessionUpdate
from wire.errors import ErrorCode, ProtocolError
from wire.events import SessionUpdated
from wire.media import MediaKind, MediaMessage, decode_media, encode_media
from wire.pcm import to_pcm
from wire.settings import ClientSettings, SegmenterSettings

Data = TypeVar("Data")
Result = TypeVar("Result")

JPEG = b"\xff\xd8\xff\xe0 the rest of a frame"


def sound(time_ms: int = 0, samples: int = 160) -> bytes:
    return encode_media(MediaMessage(MediaKind.PCM_S16, time_ms, bytes(2 * samples)))


def update(**settings: object) -> str:
    return json.dumps({"type": "session.update", "settings": settings})


def result_or_code(parse: Callable[[Data], Result], data: Data) -> Result | ErrorCode:
    try:
        return parse(data)
    except ProtocolError as error:
        return error.code


def code_of(data: str | bytes) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        parse_message(data)
    return caught.value.code


media_messages = st.builds(
    MediaMessage,
    kind=st.sampled_from(MediaKind),
    time_ms=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=64),
    number=st.integers(0, 2**16 - 1),
)


@given(media_messages)
def test_what_is_encoded_is_decoded(message: MediaMessage) -> None:
    assert decode_media(encode_media(message)) == message


def test_header_is_as_documented() -> None:
    data = encode_media(MediaMessage(MediaKind.JPEG, 0x01020304, b"x", number=0x0506))
    assert data == bytes([3, 1, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01]) + b"x"


@given(st.binary(max_size=64) | media_messages.map(encode_media))
def test_any_bytes_are_media_or_a_protocol_error(data: bytes) -> None:
    media = result_or_code(parse_media, data)
    match media:
        case AudioChunk():
            assert media.samples.dtype == np.float32
            assert np.abs(media.samples).max() <= 1
        case JpegFrame():
            assert media.jpeg.startswith(b"\xff\xd8\xff")
        case code:
            assert code.startswith("media.")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ErrorCode.MEDIA_HEADER),
        (b"\x01\x01\x00\x00\x00\x00\x00", ErrorCode.MEDIA_HEADER),
        (b"\x01\x02" + bytes(8), ErrorCode.MEDIA_VERSION),
        (b"\x00\x01" + bytes(8), ErrorCode.MEDIA_KIND),
        (b"\x04\x01" + bytes(8), ErrorCode.MEDIA_KIND),
        (b"\x01\x01" + bytes(6), ErrorCode.MEDIA_EMPTY),
        (b"\x01\x01" + bytes(7), ErrorCode.MEDIA_LENGTH),
        (b"\x02\x01" + bytes(8), ErrorCode.MEDIA_LENGTH),
        (b"\x02\x01" + bytes(6) + struct.pack("<f", float("nan")), ErrorCode.MEDIA_NOT_FINITE),
        (b"\x02\x01" + bytes(6) + struct.pack("<f", float("inf")), ErrorCode.MEDIA_NOT_FINITE),
        (b"\x03\x01" + bytes(6) + b"GIF89a", ErrorCode.MEDIA_NOT_JPEG),
        ("", ErrorCode.JSON_INVALID),
        ("{", ErrorCode.JSON_INVALID),
        ("[" * 100_000 + "]" * 100_000, ErrorCode.MESSAGE_TOO_LONG),
        ("[" * 1_000 + "]" * 1_000, ErrorCode.JSON_INVALID),
        ("9" * 10_000, ErrorCode.JSON_INVALID),
        ('"\\ud800"', ErrorCode.JSON_INVALID),
        ("null", ErrorCode.TYPE_UNKNOWN),
        ("[]", ErrorCode.TYPE_UNKNOWN),
        ("{}", ErrorCode.TYPE_UNKNOWN),
        ('{"type": "session.created"}', ErrorCode.TYPE_UNKNOWN),
        ('{"type": ["session.close"]}', ErrorCode.TYPE_UNKNOWN),
        ('{"type": "session.update"}', ErrorCode.FIELD_INVALID),
        ('{"type": "session.close", "why": 1}', ErrorCode.FIELD_UNKNOWN),
        (update(speeker="Ann"), ErrorCode.FIELD_UNKNOWN),
        (update(speaker=""), ErrorCode.FIELD_INVALID),
        (update(language="English"), ErrorCode.FIELD_INVALID),
        (update(segmenter={"threshold": 0.2}), ErrorCode.FIELD_INVALID),
        (" " * (MAX_TEXT + 1), ErrorCode.MESSAGE_TOO_LONG),
    ],
)
def test_what_makes_no_sense_has_its_code(data: str | bytes, code: ErrorCode) -> None:
    assert code_of(data) is code


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ProtocolError, match=r"unknown field settings\.segmenter\.treshold"):
        parse_message(update(segmenter={"treshold": 0.5}))


def test_a_huge_field_name_is_not_repeated_whole() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_message(update(**{"x" * 10_000: 1}))
    assert len(str(caught.value)) < 200


def test_a_client_may_set_everything_documented() -> None:
    asked = {"speaker": "Ann", "segmenter": {"confirmed_end_ms": 700}, "language": "de", "faces": False}
    message = parse_message(update(partial_transcripts=False, **asked))
    assert message == SessionUpdate(
        type="session.update",
        settings=ClientSettings(
            speaker="Ann",
            segmenter=SegmenterSettings(confirmed_end_ms=700),
            language="de",
            faces=False,
            partial_transcripts=False,
        ),
    )


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
def test_samples_survive_the_wire_within_a_step_of_16_bits(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    message = parse_media(encode_media(MediaMessage(MediaKind.PCM_S16, 7, to_pcm(samples))))
    assert isinstance(message, AudioChunk)
    assert message.time_ms == 7
    np.testing.assert_allclose(message.samples, np.clip(samples, -1, 1), atol=2 / 32_768)


def test_float_samples_are_clipped() -> None:
    payload = np.array([-3, 0.25, 3], "<f4").tobytes()
    message = parse_media(encode_media(MediaMessage(MediaKind.PCM_F32, 0, payload)))
    assert isinstance(message, AudioChunk)
    assert message.samples.tolist() == [-1, 0.25, 1]


class TestClientProtocol:
    def test_a_whole_conversation(self) -> None:
        protocol = ClientProtocol(Settings())
        states = [protocol.state]
        actions = []
        for message in (update(speaker="Ann"), sound(), encode_media(MediaMessage(MediaKind.JPEG, 40, JPEG))):
            actions += protocol.receive(message)
            states.append(protocol.state)
        actions += protocol.receive('{"type": "session.close"}')
        protocol.closed()
        assert [type(action) for action in actions] == [Configure, AudioChunk, JpegFrame, Finish]
        assert states == [State.CREATED, State.CONFIGURED, State.STREAMING, State.STREAMING]
        assert protocol.state is State.CLOSED

    def test_media_without_an_update_starts_with_the_defaults(self) -> None:
        configure, chunk = ClientProtocol(Settings()).receive(sound(250))
        assert configure == Configure(ClientSettings(), Settings())
        assert isinstance(chunk, AudioChunk)
        assert chunk.time_ms == 250

    def test_an_update_can_be_changed_until_the_first_media(self) -> None:
        protocol = ClientProtocol(Settings())
        protocol.receive(update(speaker="Ann"))
        (second,) = protocol.receive(update(speaker="Bob"))
        assert isinstance(second, Configure)
        assert second.event("Speaker 1") == SessionUpdated(
            speaker="Bob",
            settings={
                "segmenter": SegmenterSettings().model_dump(),
                "language": None,
                "partial_transcripts": True,
                "faces": True,
                "consent": False,
            },
        )

    def test_an_update_after_media_is_refused_and_media_goes_on(self) -> None:
        protocol = ClientProtocol(Settings())
        protocol.receive(sound())
        (refused,) = protocol.receive(update(speaker="Ann"))
        assert isinstance(refused, Reject)
        assert (refused.error.code, refused.error.fatal) == ("update.late", False)
        assert len(protocol.receive(sound(10))) == 1

    def test_a_refused_update_leaves_the_session_to_be_configured(self) -> None:
        protocol = ClientProtocol(Settings(segmenter=SegmenterSettings(likely_end_ms=450)))
        (refused,) = protocol.receive(update(segmenter={"confirmed_end_ms": 400}))
        assert isinstance(refused, Reject)
        assert protocol.state is State.CREATED

    def test_too_many_errors_in_a_row_are_fatal(self) -> None:
        protocol = ClientProtocol(Settings())
        for _ in range(MAX_ERRORS_IN_A_ROW - 1):
            (rejected,) = protocol.receive("nonsense")
            assert isinstance(rejected, Reject)
            assert not rejected.error.fatal
        last, finish = protocol.receive("nonsense")
        assert isinstance(last, Reject)
        assert (last.error.code, last.error.fatal) == ("errors.too_many", True)
        assert finish == Finish("errors")

    def test_one_good_message_forgives_the_bad_ones(self) -> None:
        protocol = ClientProtocol(Settings())
        for message in ["nonsense"] * (MAX_ERRORS_IN_A_ROW - 1) + [sound()] + ["nonsense"] * (MAX_ERRORS_IN_A_ROW - 1):
            assert not any(isinstance(action, Finish) for action in protocol.receive(message))

    def test_what_comes_after_the_close_is_refused_once(self) -> None:
        protocol = ClientProtocol(Settings())
        protocol.receive('{"type": "session.close"}')
        (refused,) = protocol.receive(sound())
        assert isinstance(refused, Reject)
        assert refused.error.code == "session.closing"
        assert protocol.receive(sound()) == []

    @given(
        st.lists(
            st.one_of(
                st.text(max_size=40),
                st.binary(max_size=40),
                st.sampled_from([update(), update(speaker="Ann"), '{"type": "session.close"}', sound(), JPEG]),
            ),
            max_size=40,
        )
    )
    def test_whatever_comes_nothing_breaks_and_the_order_holds(self, messages: list[str | bytes]) -> None:
        protocol = ClientProtocol(Settings())
        actions = [action for message in messages for action in protocol.receive(message)]
        kinds = [type(action) for action in actions]
        media = [index for index, kind in enumerate(kinds) if kind in {AudioChunk, JpegFrame}]
        configured = [index for index, kind in enumerate(kinds) if kind is Configure]
        finished = [index for index, kind in enumerate(kinds) if kind is Finish]
        if media:
            assert configured
            assert configured[-1] < media[0]
        assert len(finished) <= 1
        assert all(kind is Reject for kind in kinds[finished[0] + 1 :]) if finished else True
