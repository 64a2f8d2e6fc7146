"""One client's side of the wire (docs/protocol.md), pure: messages in, actions out.

No socket and no clock here. Whatever bytes arrive, nothing but :class:`ProtocolError` is raised by the
parsers, and :class:`ClientProtocol` turns that into an ``error`` event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from stream.client_settings import CheckLanguage, any_language, client_settings
from stream.jpeg import JpegFrame
from stream.media import AudioChunk
from stream.settings import Settings
from wire.control import Auth, Control, SessionClose, SessionUpdate, parse_control
from wire.errors import ErrorCode, ProtocolError
from wire.events import Error, SessionUpdated
from wire.media import MediaKind, decode_media, decode_samples
from wire.settings import ClientSettings

MAX_ERRORS_IN_A_ROW: Final = 100
JPEG_START: Final = b"\xff\xd8\xff"


def parse_media(data: bytes) -> AudioChunk | JpegFrame:
    """Return the sound or frame of a binary message; raise :class:`ProtocolError`."""
    message = decode_media(data)
    if message.kind is not MediaKind.JPEG:
        return AudioChunk(message.time_ms, decode_samples(message))
    if not message.payload.startswith(JPEG_START):
        raise ProtocolError(ErrorCode.MEDIA_NOT_JPEG, "the payload of a kind 3 message must be a JPEG frame")
    return JpegFrame(message.time_ms, message.payload)


def parse_message(data: str | bytes) -> Control | AudioChunk | JpegFrame:
    """Return what a client's message says; raise :class:`ProtocolError`."""
    return parse_control(data) if isinstance(data, str) else parse_media(data)


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


Action = Configure | AudioChunk | JpegFrame | Reject | Finish


class ClientProtocol:
    """One client's side of ``/v1/stream``: messages in, actions out, in the order they must be done.

    Args:
        settings: the server's.
        name: the participant's in a room, which it can't change any more.
        check_language: raises ValueError for a language that can't be spoken here.
    """

    def __init__(
        self, settings: Settings, name: str | None = None, check_language: CheckLanguage = any_language
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

    def _act(self, message: Control | AudioChunk | JpegFrame) -> Sequence[Action]:
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

    def _stream(self, media: AudioChunk | JpegFrame) -> Sequence[Action]:
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
