"""Text messages of a client: their types, and what is wrong with one that is none; pure."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from wire.errors import ErrorCode, ProtocolError, quote
from wire.settings import ClientSettings
from wire.strict import Strict, problems_of

MAX_TEXT: Final = 65_536
MAX_TOKEN: Final = 512


class SessionUpdate(Strict):
    """Configures the client's own session, before its first media."""

    type: Literal["session.update"]
    settings: ClientSettings


class SessionClose(Strict):
    """Ends the client's session; what is open is finished first."""

    type: Literal["session.close"]


class Auth(Strict):
    """Gives the server's token, as the first message; where none is needed any more it is ignored."""

    type: Literal["auth"]
    token: str = Field(max_length=MAX_TOKEN)


Control = SessionUpdate | SessionClose | Auth
ControlMessage = Annotated[Control, Field(discriminator="type")]
_CONTROL: Final[TypeAdapter[Control]] = TypeAdapter(ControlMessage)
CONTROL_TYPES: Final = ("session.update", "session.close", "auth")


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


def parse_auth(data: str | bytes) -> str | None:
    """Return the token that a message gives, or None if it is another message or none that can be understood."""
    try:
        message = parse_control(data) if isinstance(data, str) else None
    except ProtocolError:
        return None
    return message.token if isinstance(message, Auth) else None


def _explain(error: ValidationError) -> ProtocolError:
    problem = problems_of(error, within=1)[0]
    field = quote(problem.field)
    match problem.kind:
        case "json_invalid":
            return ProtocolError(ErrorCode.JSON_INVALID, f"the text message is not JSON: {quote(problem.why)}")
        case "union_tag_invalid" | "union_tag_not_found" | "model_attributes_type" | "dict_type":
            return ProtocolError(
                ErrorCode.TYPE_UNKNOWN, f"send a JSON object whose type is one of {', '.join(CONTROL_TYPES)}"
            )
        case "extra_forbidden":
            return ProtocolError(ErrorCode.FIELD_UNKNOWN, f"unknown field {field}")
        case _:
            return ProtocolError(ErrorCode.FIELD_INVALID, f"{field}: {quote(problem.why)}")
