"""The wire between a client and the server (docs/protocol.md), pure: messages in, actions out.

No socket and no clock here. Whatever bytes arrive, nothing but :class:`ProtocolError` is raised by the
parsers, and :class:`ClientProtocol` turns that into an ``error`` event.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum, auto
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from models.files.config_file import Section, plain_reason
from stream.events import Error, Event, Faces, SessionUpdated, TranscriptPartial
from stream.media import AudioChunk, Samples
from stream.settings import ClientSettings, SegmenterSettings, Settings

STREAM: Final = "/v1/stream"
EVENTS: Final = "/v1/events"
SUBPROTOCOL: Final = "m2fnet"
KEY_SUBPROTOCOL: Final = f"{SUBPROTOCOL}.key."
MEDIA_VERSION: Final = 1
HEADER: Final = struct.Struct("<BBHI")
MAX_TEXT: Final = 65_536
MAX_ERRORS_IN_A_ROW: Final = 100
MAX_QUOTED: Final = 80
MAX_TOKEN: Final = 512
JPEG_START: Final = b"\xff\xd8\xff"
# A client's values of the segmenter may not go beyond the server's own: longer utterances are more to hear again and
# again and to keep, and shorter ones, or ends believed sooner, are more of them.
AT_MOST: Final = ("max_utterance_ms", "pre_roll_ms", "gap_ms")
AT_LEAST: Final = (
    "min_speech_ms",
    "likely_end_ms",
    "confirmed_end_ms",
    "min_utterance_ms",
    "min_sentence_ms",
    "sentence_words",
)
MAX_SESSION_NUMBER: Final = 0xFFFF
MAX_TIME_MS: Final = 0xFFFF_FFFF


CheckLanguage = Callable[[str | None], None]


class MediaKind(IntEnum):
    """The first byte of a binary message."""

    PCM_S16 = 1
    PCM_F32 = 2
    JPEG = 3


SAMPLE_TYPES: Final[Mapping[MediaKind, np.dtype[np.generic]]] = {
    MediaKind.PCM_S16: np.dtype("<i2"),
    MediaKind.PCM_F32: np.dtype("<f4"),
}


class ErrorCode(StrEnum):
    """The ``code`` of every ``error`` that a source does not bring itself."""

    JSON_INVALID = "json.invalid"
    MESSAGE_TOO_LONG = "message.too_long"
    TYPE_UNKNOWN = "type.unknown"
    FIELD_UNKNOWN = "field.unknown"
    FIELD_INVALID = "field.invalid"
    MEDIA_HEADER = "media.header"
    MEDIA_VERSION = "media.version"
    MEDIA_KIND = "media.kind"
    MEDIA_EMPTY = "media.empty"
    MEDIA_LENGTH = "media.length"
    MEDIA_NOT_FINITE = "media.not_finite"
    MEDIA_NOT_JPEG = "media.not_jpeg"
    UPDATE_LATE = "update.late"
    ERRORS_TOO_MANY = "errors.too_many"
    SESSION_CLOSING = "session.closing"
    SESSION_UNKNOWN = "session.unknown"
    QUERY_INVALID = "query.invalid"
    ROOM_INVALID = "room.invalid"
    ROOM_FULL = "room.full"
    ROOMS_FULL = "rooms.full"
    NAME_INVALID = "name.invalid"
    NAME_TAKEN = "name.taken"
    READ_ONLY = "watcher.read_only"
    RATE_EXCEEDED = "rate.exceeded"
    FRAMES_TOO_MANY = "frames.too_many"
    MESSAGES_TOO_MANY = "messages.too_many"
    MEDIA_IDLE = "media.idle"
    AUTH_REQUIRED = "auth.required"
    AUTH_FAILED = "auth.failed"
    AUTH_LATE = "auth.late"
    ADDRESS_FULL = "address.full"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


class ProtocolError(ValueError):
    """A message that can't be understood; ``code`` is stable, the text says what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class MediaMessage:
    """One binary message; ``number`` is the session's on the way out and ignored on the way in."""

    kind: MediaKind
    time_ms: int
    payload: bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One JPEG frame, not yet decoded."""

    time_ms: float
    data: bytes


class SessionUpdate(Section):
    """Configures the client's own session, before its first media."""

    type: Literal["session.update"]
    settings: ClientSettings


class SessionClose(Section):
    """Ends the client's session; what is open is finished first."""

    type: Literal["session.close"]


class Auth(Section):
    """Gives the server's token, as the first message; where none is needed any more it is ignored."""

    type: Literal["auth"]
    token: str = Field(max_length=MAX_TOKEN)


Control = SessionUpdate | SessionClose | Auth
ControlMessage = Annotated[Control, Field(discriminator="type")]
_CONTROL: Final[TypeAdapter[Control]] = TypeAdapter(ControlMessage)
CONTROL_TYPES: Final = ("session.update", "session.close", "auth")


def subprotocols(key: str) -> list[str]:
    """Return what who has a room's ``key`` offers in ``Sec-WebSocket-Protocol``, the one header that pages can set."""
    return [SUBPROTOCOL, f"{KEY_SUBPROTOCOL}{key}"] if key else []


def key_among(offered: Iterable[str]) -> str:
    """Return the key in the values of ``Sec-WebSocket-Protocol`` headers, empty where there is none."""
    words = [word.strip() for value in offered for word in value.split(",")]
    return next((word.removeprefix(KEY_SUBPROTOCOL) for word in words if word.startswith(KEY_SUBPROTOCOL)), "")


def encode_media(message: MediaMessage) -> bytes:
    """Return the binary message: the 8-byte header and the payload."""
    return HEADER.pack(message.kind, MEDIA_VERSION, message.number, message.time_ms) + message.payload


def decode_media(data: bytes) -> MediaMessage:
    """Return the parts of a binary message; raise :class:`ProtocolError` when its header makes no sense."""
    if len(data) < HEADER.size:
        raise ProtocolError(ErrorCode.MEDIA_HEADER, f"a binary message starts with {HEADER.size} bytes of header")
    kind, version, number, time_ms = HEADER.unpack_from(data)
    if version != MEDIA_VERSION:
        raise ProtocolError(ErrorCode.MEDIA_VERSION, f"header version {version} is not known; send {MEDIA_VERSION}")
    if kind not in set(MediaKind):
        raise ProtocolError(ErrorCode.MEDIA_KIND, f"media kind {kind} is not known; send 1 (s16), 2 (f32) or 3 (JPEG)")
    return MediaMessage(MediaKind(kind), time_ms, data[HEADER.size :], number)


def decode_samples(message: MediaMessage) -> Samples:
    """Return the sound of a PCM message as ``(n,)`` float32 in [-1, 1]; louder samples are clipped."""
    sample_type = SAMPLE_TYPES[message.kind]
    if not message.payload:
        raise ProtocolError(ErrorCode.MEDIA_EMPTY, "the message has a header but no samples")
    if len(message.payload) % sample_type.itemsize:
        raise ProtocolError(ErrorCode.MEDIA_LENGTH, f"the payload must be a multiple of {sample_type.itemsize} bytes")
    samples = np.frombuffer(message.payload, sample_type).astype(np.float32)
    if message.kind is MediaKind.PCM_S16:
        return samples / np.float32(32_768)
    if not np.isfinite(samples).all():
        raise ProtocolError(ErrorCode.MEDIA_NOT_FINITE, "the samples hold NaN or infinity")
    return np.clip(samples, -1, 1)


def encode_samples(samples: Samples) -> bytes:
    """Return ``(n,)`` float32 in [-1, 1] as the payload of a :attr:`MediaKind.PCM_S16` message."""
    return (np.clip(samples, -1, 1) * 32_767).round().astype("<i2").tobytes()


def parse_media(data: bytes) -> AudioChunk | Frame:
    """Return the sound or frame of a binary message; raise :class:`ProtocolError`."""
    message = decode_media(data)
    if message.kind is not MediaKind.JPEG:
        return AudioChunk(message.time_ms, decode_samples(message))
    if not message.payload.startswith(JPEG_START):
        raise ProtocolError(ErrorCode.MEDIA_NOT_JPEG, "the payload of a kind 3 message must be a JPEG frame")
    return Frame(message.time_ms, message.payload)


def parse_control(text: str) -> Control:
    """Return a text message; raise :class:`ProtocolError` naming the field that is wrong."""
    if len(text) > MAX_TEXT:
        raise ProtocolError(
            ErrorCode.MESSAGE_TOO_LONG, f"a text message may have {MAX_TEXT} characters, not {len(text)}"
        )
    try:
        return _CONTROL.validate_json(text)
    except ValidationError as error:
        raise _explain(error) from None


def parse_message(data: str | bytes) -> Control | AudioChunk | Frame:
    """Return what a client's message says; raise :class:`ProtocolError`."""
    return parse_control(data) if isinstance(data, str) else parse_media(data)


def parse_auth(data: str | bytes) -> str | None:
    """Return the token that a message gives, or None if it is another message or none that can be understood."""
    try:
        message = parse_message(data)
    except ProtocolError:
        return None
    return message.token if isinstance(message, Auth) else None


def _explain(error: ValidationError) -> ProtocolError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = quote(".".join(str(part) for part in first["loc"][1:]))
    match first["type"]:
        case "json_invalid":
            return ProtocolError(ErrorCode.JSON_INVALID, f"the text message is not JSON: {quote(first['msg'])}")
        case "union_tag_invalid" | "union_tag_not_found" | "model_attributes_type" | "dict_type":
            return ProtocolError(
                ErrorCode.TYPE_UNKNOWN, f"send a JSON object whose type is one of {', '.join(CONTROL_TYPES)}"
            )
        case "extra_forbidden":
            return ProtocolError(ErrorCode.FIELD_UNKNOWN, f"unknown field {field}")
        case _:
            return ProtocolError(ErrorCode.FIELD_INVALID, f"{field}: {quote(plain_reason(first['msg']))}")


def quote(text: str) -> str:
    """Return ``text`` short enough to be repeated in an error message."""
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"


def _any_language(_: str | None) -> None:
    """Do nothing."""


def _require_within(server: SegmenterSettings, asked: Mapping[str, int]) -> None:
    """Refuse what would make more work, or hold more sound, than the server's own values do; the machine is everyone's.

    Raises:
        ProtocolError: the message names the field and the server's value.
    """
    for field, value in asked.items():
        own = getattr(server, field)
        too_much = value > own if field in AT_MOST else field in AT_LEAST and value < own
        if too_much:
            limit = "most" if field in AT_MOST else "least"
            text = f"settings.segmenter.{field}: at {limit} {own} here, which is the server's own, not {value}"
            raise ProtocolError(ErrorCode.FIELD_INVALID, text)


def client_settings(base: Settings, client: ClientSettings, check_language: CheckLanguage = _any_language) -> Settings:
    """Return the server's settings with what the client asked for; raise :class:`ProtocolError` on a contradiction.

    A client that sends one duration of the segmenter keeps the server's others, which may forbid it.

    Args:
        base: the server's.
        client: what the client sent.
        check_language: raises ValueError for a language that can't be spoken here.
    """
    asked = client.segmenter.model_dump(exclude_unset=True) if client.segmenter else {}
    try:
        segmenter = SegmenterSettings.model_validate(base.segmenter.model_dump() | asked)
    except ValidationError as error:
        why = plain_reason(error.errors()[0]["msg"])
        raise ProtocolError(ErrorCode.FIELD_INVALID, f"settings.segmenter: {quote(why)}") from None
    _require_within(base.segmenter, asked)
    language = client.language or base.transcriber.language
    try:
        check_language(language)
    except ValueError as error:
        raise ProtocolError(ErrorCode.FIELD_INVALID, f"settings.language: {error}") from None
    transcriber = base.transcriber.model_copy(update={"language": language})
    return base.model_copy(update={"segmenter": segmenter, "transcriber": transcriber})


def wanted(event: Event, client: ClientSettings) -> bool:
    """Return whether the client's settings let this event through."""
    match event:
        case TranscriptPartial():
            return client.partial_transcripts
        case Faces():
            return client.faces
        case _:
            return True


class State(Enum):
    """Where a client's session stands."""

    CREATED = auto()
    CONFIGURED = auto()
    STREAMING = auto()
    CLOSING = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Configure:
    """The configuration now in force."""

    client: ClientSettings
    settings: Settings

    def event(self, speaker: str) -> SessionUpdated:
        """Return the event that tells it; ``speaker`` is the name when the client gave none."""
        told: dict[str, object] = {
            "segmenter": self.settings.segmenter.model_dump(),
            "language": self.settings.transcriber.language,
            "partial_transcripts": self.client.partial_transcripts,
            "faces": self.client.faces,
            "consent": self.client.consent,
        }
        return SessionUpdated(speaker=self.client.speaker or speaker, settings=told)


@dataclass(frozen=True, slots=True)
class Reject:
    """Tell the client what was wrong."""

    error: Error


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish the session; ``reason`` goes into ``session.closed``."""

    reason: str


Action = Configure | AudioChunk | Frame | Reject | Finish


class ClientProtocol:
    """One client's side of ``/v1/stream``: messages in, actions out, in the order they must be done.

    Args:
        settings: the server's.
        name: the participant's in a room, which it can't change any more.
        check_language: raises ValueError for a language that can't be spoken here.
    """

    def __init__(
        self, settings: Settings, name: str | None = None, check_language: CheckLanguage = _any_language
    ) -> None:
        self.state = State.CREATED
        self._check_language = check_language
        self._settings = settings
        self._name = name
        self._errors_in_a_row = 0

    def receive(self, data: str | bytes) -> Sequence[Action]:
        """Return what one message asks for."""
        if self.state in {State.CLOSING, State.CLOSED}:
            return self._too_late()
        try:
            actions = self._act(parse_message(data))
        except ProtocolError as error:
            return self._reject(error)
        self._errors_in_a_row = 0
        return actions

    def closed(self) -> None:
        """Note that ``session.closed`` was sent: nothing is answered any more."""
        self.state = State.CLOSED

    def _act(self, message: Control | AudioChunk | Frame) -> Sequence[Action]:
        match message:
            case Auth():
                return []
            case SessionUpdate():
                return [self._configure(message.settings)]
            case SessionClose():
                self.state = State.CLOSING
                return [Finish("client")]
            case _:
                return self._stream(message)

    def _configure(self, client: ClientSettings) -> Configure:
        if self.state is State.STREAMING:
            raise ProtocolError(ErrorCode.UPDATE_LATE, "session.update must come before the first media")
        if self._name is not None:
            client = self._named(client, self._name)
        configured = Configure(client, client_settings(self._settings, client, self._check_language))
        self.state = State.CONFIGURED
        return configured

    def _named(self, client: ClientSettings, name: str) -> ClientSettings:
        if client.speaker not in {None, name}:
            text = "settings.speaker: in a room the name is the one of the address (?room=…&name=…)"
            raise ProtocolError(ErrorCode.FIELD_INVALID, text)
        return client.model_copy(update={"speaker": name})

    def _stream(self, media: AudioChunk | Frame) -> Sequence[Action]:
        actions: list[Action] = [self._configure(ClientSettings())] if self.state is State.CREATED else []
        self.state = State.STREAMING
        return [*actions, media]

    def _reject(self, error: ProtocolError) -> Sequence[Action]:
        self._errors_in_a_row += 1
        rejected = Reject(Error(code=error.code, message=str(error), fatal=False))
        if self._errors_in_a_row < MAX_ERRORS_IN_A_ROW:
            return [rejected]
        self.state = State.CLOSING
        message = f"{MAX_ERRORS_IN_A_ROW} messages in a row could not be understood; the last: {error}"
        return [Reject(Error(code=ErrorCode.ERRORS_TOO_MANY, message=message, fatal=True)), Finish("errors")]

    def _too_late(self) -> Sequence[Action]:
        if self.state is State.CLOSED:
            return []
        # Said once: media already under way when the client closed is no reason for an error each.
        self.state = State.CLOSED
        message = "the session is closing; what was sent after session.close is ignored"
        return [Reject(Error(code=ErrorCode.SESSION_CLOSING, message=message, fatal=False))]
