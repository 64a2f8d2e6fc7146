"""Live dialogs as files to keep: what the addresses of exports ask for, and the answer (docs/exports.md)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit

from serving.rooms.broadcast import Past
from serving.rooms.requests import clean_name, query_fields
from stream.exports.formats import encoded
from stream.exports.forms import FORMS, Format, find_format
from stream.exports.from_events import dialog_from_events, shortened
from wire.errors import ErrorCode, ProtocolError
from wire.events import Event

EXPORTS: Final = ("/v1/rooms/", "/v1/sessions/")
USUAL: Final[Format] = "html"
_ADDRESS: Final = re.compile(r"/v1/(rooms|sessions)/([^/]+)/export")


class ExportError(Exception):
    """There is nothing to hand out; the message says why in plain words, ``status`` is the answer's."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class FindPast(Protocol):
    """Returns what is remembered of a room or a session, None where it is not known."""

    def __call__(self, *, room: str | None, session: str | None) -> Past | None:
        """Return it."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked for: a room or a session, and the form."""

    form: Format
    room: str | None = None
    session: str | None = None

    @property
    def name(self) -> str:
        """What the dialog is called."""
        return f"session {self.session}" if self.room is None else self.room


@dataclass(frozen=True, slots=True)
class Export:
    """A dialog as a file."""

    content_type: str
    file_name: str
    body: bytes

    @property
    def disposition(self) -> str:
        """The header that has the file kept under its name; old readers of it get a plain one."""
        plain = re.sub(r"[^A-Za-z0-9. _-]", "_", self.file_name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.file_name, safe='')}"


def export_answer(target: str, find: FindPast) -> Export:
    """Return what a request for ``target``, an address with its query, is answered with.

    Raises:
        ExportError: the address makes no sense, or there is no such room or session.
    """
    request = parse_export(target)
    past = find(room=request.room, session=request.session)
    if past is None:
        raise ExportError(HTTPStatus.NOT_FOUND, _why_not(request))
    return export_response(past.events, request.form, request.name, forgotten=past.forgotten)


def export_response(told: Sequence[Event], form: Format, name: str, *, forgotten: int = 0) -> Export:
    """Return the dialog that the events tell of, in a form; ``forgotten`` utterances are missing from them."""
    dialog = shortened(dialog_from_events(told, name), forgotten)
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "dialog"
    return Export(FORMS[form].content_type, f"{stem}{FORMS[form].suffix}", encoded([dialog], form, several=False))


def parse_export(target: str) -> ExportRequest:
    """Return what an address asks for.

    Raises:
        ExportError: it is no address of an export, or names a form that there is not.
    """
    address = urlsplit(target)
    found = _ADDRESS.fullmatch(address.path)
    if not found:
        form = "ask for /v1/rooms/NAME/export?format=html or /v1/sessions/ID/export?format=html"
        raise ExportError(HTTPStatus.NOT_FOUND, f"there is nothing here; {form}")
    try:
        form = _form(query_fields(address.query, ("format",), "?format=html").get("format", USUAL))
        name = unquote(found[2], errors="strict")
        if found[1] == "sessions":
            return ExportRequest(form, session=name)
        return ExportRequest(form, room=clean_name(name, ErrorCode.ROOM_INVALID))
    except UnicodeDecodeError:
        raise ExportError(HTTPStatus.BAD_REQUEST, "the name in the address must be percent-encoded UTF-8") from None
    except ProtocolError as error:
        raise ExportError(HTTPStatus.BAD_REQUEST, str(error)) from None


def _form(text: str) -> Format:
    form = find_format(text)
    if form is None:
        raise ExportError(HTTPStatus.BAD_REQUEST, f"format may be one of {', '.join(FORMS)}")
    return form


def _why_not(request: ExportRequest) -> str:
    if request.room is None:
        return "there is no such session, or it ended long ago"
    return "there is no room of this name, or it was left long ago and is forgotten"
