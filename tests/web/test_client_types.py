"""The types that the JavaScript client promises are those of the events the server sends."""

import re
from pathlib import Path

import pytest

from wire import events
from wire.settings import ClientSettings

TYPES = (Path(__file__).parents[2] / "web" / "client.d.ts").read_text()
MODELS = list(events.EVENT_TYPES.values())
COMMON = set(events.EventBase.model_fields)


def fields_of(declaration: str) -> set[str]:
    """Return the names of the fields of an interface's body."""
    return set(re.findall(r"^  (\w+)\??: ", declaration, re.MULTILINE))


def interface(pattern: str) -> str:
    found = re.search(pattern + r" \{\n(.*?)^\}", TYPES, re.MULTILINE | re.DOTALL)
    assert found, pattern
    return found[1]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_event_has_its_type_with_its_fields(model: type[events.EventBase]) -> None:
    kind = model.model_fields["type"].default
    bodies = re.findall(r"^export interface \w+ extends EventBase \{\n(.*?)^\}", TYPES, re.MULTILINE | re.DOTALL)
    (body,) = (body for body in bodies if f'  type: "{kind}";' in body)
    assert fields_of(body) == set(model.model_fields) - COMMON


def test_common_fields_and_settings_are_the_servers() -> None:
    assert fields_of(interface("export interface EventBase")) == COMMON | {"type"}
    assert fields_of(interface("export interface Participant")) == set(events.Participant.model_fields)
    assert fields_of(interface("export interface Settings")) == set(ClientSettings.model_fields)
