"""The server's settings with what a client asked for, within what the server allows; pure."""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import ValidationError

from stream.settings import Settings
from wire.errors import ErrorCode, ProtocolError, quote
from wire.events import Event, Faces, TranscriptPartial
from wire.settings import ClientSettings, SegmenterSettings
from wire.strict import problems_of

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

CheckLanguage = Callable[[str | None], None]


def any_language(_: str | None) -> None:
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


def client_settings(base: Settings, client: ClientSettings, check_language: CheckLanguage = any_language) -> Settings:
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
        why = quote(problems_of(error)[0].why)
        raise ProtocolError(ErrorCode.FIELD_INVALID, f"settings.segmenter: {why}") from None
    _require_within(base.segmenter, asked)
    language = client.language or base.transcriber.language
    try:
        check_language(language)
    except ValueError as error:
        raise ProtocolError(ErrorCode.FIELD_INVALID, f"settings.language: {error}") from None
    transcriber = base.transcriber.model_copy(update={"language": language})
    dialog = base.dialog.model_copy(update={"speaking_interval_ms": _speaking_interval(base, client)})
    return base.model_copy(update={"segmenter": segmenter, "transcriber": transcriber, "dialog": dialog})


def _speaking_interval(base: Settings, client: ClientSettings) -> int:
    """Return how often a provisional emotion is told: as the server does, or less often.

    Raises:
        ProtocolError: the client asks for more, or for what is not done here.
    """
    own, asked = base.dialog.speaking_interval_ms, client.speaking_interval_ms
    if asked and (not own or asked < own):
        limit = f"at least {own} here, which is the server's own, or 0" if own else "only 0 here: none are told"
        raise ProtocolError(ErrorCode.FIELD_INVALID, f"settings.speaking_interval_ms: {limit}, not {asked}")
    return own if asked is None else asked


def wanted(event: Event, client: ClientSettings) -> bool:
    """Return whether the client's settings let this event through."""
    match event:
        case TranscriptPartial():
            return client.partial_transcripts
        case Faces():
            return client.faces
        case _:
            return True
