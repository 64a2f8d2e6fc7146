"""The protocol as an AsyncAPI 3 document, made from the same types that read and write the messages."""

import re
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from serving.rooms.requests import JOIN_FIELDS, MAX_NAME, PREVIEWS, WATCH_FIELDS
from stream.settings import ServerSettings
from wire.addresses import EVENTS, KEY_SUBPROTOCOL, STREAM, SUBPROTOCOL
from wire.control import Auth, ControlMessage
from wire.errors import ErrorCode
from wire.events import EVENT_TYPES, SessionCreated
from wire.media import HEADER, MEDIA_VERSION, MediaKind

Node = dict[str, Any]

EVENT_MODELS: Final = tuple(EVENT_TYPES.values())
CONTROL_MODELS: Final[tuple[type[BaseModel], ...]] = get_args(get_args(ControlMessage)[0])
MEDIA: Final[Mapping[MediaKind, str]] = {
    MediaKind.PCM_S16: "Sound: 16-bit signed integers, little-endian, 16 kHz mono.",
    MediaKind.PCM_F32: "Sound: 32-bit floats in -1…1, little-endian, 16 kHz mono.",
    MediaKind.JPEG: "A frame.",
}
HEADER_FIELDS: Final[Mapping[str, str]] = {
    "kind": "what the payload is",
    "version": f"always {MEDIA_VERSION}",
    "number": "from the server: the session's number of session.created; to the server: ignored, send 0",
    "time": "media time in milliseconds of the first sample, or of the frame",
}
NAME: Final[Node] = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
QUERY_FIELDS: Final[Mapping[str, Node]] = {
    "room": NAME | {"description": "the room to join, or to watch"},
    "name": NAME | {"description": "the participant's; nobody else in the room may have it"},
    "instance": {"type": "string", "description": "of the last room.state: to get what was missed, with since"},
    "since": {"type": "string", "pattern": "^[0-9]+$", "description": "the last seq that was got"},
    "session": {"type": "string", "description": "to watch one session only"},
    "media": {
        "type": "string",
        "enum": [*PREVIEWS, "video,audio", "audio,video"],
        "description": "to be sent frames, sound, or both",
    },
}


class Schemas(GenerateJsonSchema):
    """JSON schemas without titles that only repeat names, and with every field that is always sent required."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the base class wants it
        """Return that no field needs a title."""
        return False

    def field_is_required(
        self, field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField, total: bool
    ) -> bool:
        """Return whether a message has the field at any rate; what the server sends has all of them."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Node:
        """Return the schema of a field with a default, which is told only where the field may be left out."""
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)


def document() -> Node:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {"stream": _stream(), "events": _events()},
        "operations": {
            "receiveFromParticipant": _operation("receive", "stream", [*_controls(), *_media(MediaKind)]),
            "sendToParticipant": _operation("send", "stream", [*_event_types(), *_media(PREVIEWS.values())]),
            "receiveFromWatcher": _operation("receive", "events", [_type_of(Auth)]),
            "sendToWatcher": _operation("send", "events", [*_event_types(), *_media(PREVIEWS.values())]),
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class wants it
        """Return that nothing is only referred to."""
        return True


@cache
def text() -> str:
    """Return the document as YAML."""
    return yaml.dump(document(), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)


def _info() -> Node:
    version = SessionCreated.model_fields["protocol"].default
    description = (
        "Sound and frames in, the emotion of every utterance out. docs/protocol.md tells the same in words. "
        "Receivers of events ignore fields and types that they don't know."
    )
    return {
        "title": "M2FNet Live",
        "version": str(version),
        "description": description,
        "license": {"name": "MIT"},
    }


def _servers() -> Node:
    defaults = ServerSettings()
    return {
        "local": {
            "host": f"{defaults.host}:{defaults.port}",
            "protocol": "ws",
            "description": "what `m2fnet serve` opens unless it is told otherwise",
        }
    }


def _stream() -> Node:
    return {
        "address": STREAM,
        "title": "A participant",
        "description": "Media in, events out: those of the session, or with `room` those of the whole room.",
        "messages": _references([*_controls(), *_event_types(), *_media(MediaKind)]),
        "bindings": {"ws": _query(JOIN_FIELDS) | _subprotocols()},
    }


def _events() -> Node:
    return {
        "address": EVENTS,
        "title": "A watcher",
        "description": "Events out: those of a room, of a session, or of all sessions.",
        "messages": _references([_type_of(Auth), *_event_types(), *_media(PREVIEWS.values())]),
        "bindings": {"ws": _query(WATCH_FIELDS)},
    }


def _query(names: Iterable[str]) -> Node:
    fields = {name: dict(QUERY_FIELDS[name]) for name in names}
    return {"query": {"type": "object", "properties": fields, "additionalProperties": False}}


def _subprotocols() -> Node:
    offered = {
        "type": "string",
        "pattern": f"^{re.escape(SUBPROTOCOL)}, {re.escape(KEY_SUBPROTOCOL)}[A-Za-z0-9_-]+$",
        "description": "the key of room.state: takes the name over from an old connection",
    }
    return {"headers": {"type": "object", "properties": {"Sec-WebSocket-Protocol": offered}}}


def _operation(action: str, channel: str, names: Iterable[str]) -> Node:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }


def _references(names: Iterable[str]) -> Node:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _type_of(model: type[BaseModel]) -> str:
    """Return what stands in the ``type`` of its messages."""
    return str(get_args(model.model_fields["type"].annotation)[0])


def _event_types() -> list[str]:
    return [_type_of(model) for model in EVENT_MODELS]


def _controls() -> list[str]:
    return [_type_of(model) for model in CONTROL_MODELS]


def _media(kinds: Iterable[MediaKind]) -> list[str]:
    return [_media_name(kind) for kind in sorted(kinds)]


def _media_name(kind: MediaKind) -> str:
    return f"media.{kind.name.lower()}"


def _messages() -> Node:
    texts = {_type_of(model): _text_message(model) for model in (*CONTROL_MODELS, *EVENT_MODELS)}
    return texts | {_media_name(kind): _media_message(kind) for kind in MediaKind}


def _text_message(model: type[BaseModel]) -> Node:
    name = _type_of(model)
    message = {
        "name": name,
        "summary": _markdown((model.__doc__ or "").partition("\n\n")[0]),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    # Sources bring codes of their own, so this is no enum of the schema.
    return message | ({"x-codes": [str(code) for code in ErrorCode]} if name == "error" else {})


def _media_message(kind: MediaKind) -> Node:
    return {
        "name": _media_name(kind),
        "contentType": "application/octet-stream",
        "summary": MEDIA[kind],
        "description": f"A binary message: the fields of x-header, {HEADER.size} bytes, and then the payload.",
        "payload": {"type": "string", "format": "binary"},
        "x-header": _header(kind),
    }


def _header(kind: MediaKind) -> list[Node]:
    """Return the fields of the header with their places; all are unsigned and little-endian."""
    fixed = {"kind": int(kind), "version": MEDIA_VERSION}
    order, codes = HEADER.format[0], HEADER.format[1:]
    fields = []
    for index, (name, meaning) in enumerate(HEADER_FIELDS.items()):
        start, end = (struct.calcsize(order + codes[:upto]) for upto in (index, index + 1))
        value = {"value": fixed[name]} if name in fixed else {}
        fields.append({"name": name, "offset": start, "bytes": end - start} | value | {"description": meaning})
    return fields


def _schemas() -> Node:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in CONTROL_MODELS),
        *((model, "serialization") for model in EVENT_MODELS),
    ]
    _, made = models_json_schema(wanted, ref_template="#/components/schemas/{model}", schema_generator=Schemas)
    schemas: Node = made["$defs"]
    return {name: _draft7(schema) for name, schema in schemas.items()}


def _draft7(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema in the words of draft 7, which AsyncAPI has: there, the items of a tuple are called ``items``."""
    if isinstance(schema, list):
        return [_draft7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {("items" if key == "prefixItems" else key): _draft7(value) for key, value in schema.items()}
    if isinstance(told := plain.get("description"), str):
        plain["description"] = _markdown(told)
    return plain


def _markdown(docstring: str) -> str:
    """Return a docstring as the Markdown that AsyncAPI has."""
    return " ".join(docstring.replace("``", "`").split())
