"""Typed configurations from a YAML file and ``section.key=value`` words; what is wrong with them in plain lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import BaseModel, ValidationError

from models.user_error import UserError
from wire.strict import Strict, plain_reason

Values = dict[str, Any]
AnyConfig = TypeVar("AnyConfig", bound=BaseModel)

NULLS = frozenset({"", "~", "null", "none"})


class Section(Strict):
    """A group of settings."""


class ConfigError(UserError, ValueError):
    """The settings can't be used; the text has one line for each problem."""


def load_config(
    model: type[AnyConfig], file: Path | None = None, overrides: Sequence[str] = (), defaults: Values | None = None
) -> AnyConfig:
    """Return ``model``, its values changed by a YAML file, changed by ``section.key=value`` words.

    Args:
        model: sections of keys; a key may be a section again.
        file: sections with keys, all values as they are written.
        overrides: the last one of a key counts.
        defaults: what a section that is given in part is filled up from.

    Raises:
        ConfigError: the file can't be read, or a key or value isn't allowed.
    """
    written = with_overrides(read_yaml(file) if file else {}, parse_overrides(overrides))
    values = without_nulls(written, model)
    try:
        return model.model_validate(merged(defaults or {}, values))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, model))) from None


def read_yaml(file: Path) -> Values:
    """Return the sections of a settings file, all values as they are written: ``no`` is Norwegian, not False.

    Raises:
        ConfigError: no such file, not YAML, or not sections with keys.
    """
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - builds plain text only
    except OSError as error:
        message = f"{file}: {error.strerror or error}"
        raise ConfigError(message) from None
    except UnicodeDecodeError:
        message = f"{file}: not a text file in UTF-8"
        raise ConfigError(message) from None
    except yaml.YAMLError as error:
        message = f"{file}: not YAML: {' '.join(str(error).split())}"
        raise ConfigError(message) from None
    if not isinstance(values or {}, dict):
        message = f"{file}: needs sections with keys, such as\n  section:\n    key: value"
        raise ConfigError(message)
    return dict(values or {})


def parse_overrides(words: Iterable[str]) -> dict[str, Values]:
    """Return the values of ``section.key=value`` words by section, those of ``section.key.key=value`` deeper.

    Raises:
        ConfigError: a word of another form.
    """
    values: dict[str, Values] = {}
    for word in words:
        path, equals, value = word.partition("=")
        section, *keys = (part.strip() for part in path.split("."))
        if not (equals and section and keys and all(keys)):
            message = f"--set {word}: write section.key=value, with the section's and the key's names"
            raise ConfigError(message)
        nested: Any = value.strip()
        for key in reversed(keys):
            nested = {key: nested}
        values[section] = merged(values.get(section, {}), nested)
    return values


def with_overrides(values: Values, overrides: Mapping[str, Values]) -> Values:
    """Return the values of a file with the words' in their place; a file's section that is none stays, to be told."""
    sections = {key: value for key, value in values.items() if isinstance(value, dict) or not is_null(value)}
    fitting = {key: change for key, change in overrides.items() if isinstance(sections.get(key, {}), dict)}
    return merged(sections, fitting)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> Values:
    """Return nested values with others in their place, key by key."""
    return {**values, **{key: _merged(values.get(key), change) for key, change in changes.items()}}


def _merged(value: object, change: object) -> object:
    return merged(value, change) if isinstance(value, Mapping) and isinstance(change, Mapping) else change


def without_nulls(values: Values, model: type[BaseModel]) -> Values:
    """Return the values with empty sections left out and the words for nothing in them made None.

    A word for nothing that ``model`` has among a key's choices stays the word.
    """
    types = _keys(model)
    return {
        section: _nothing_as_none(keys, types.get(section)) for section, keys in values.items() if not is_null(keys)
    }


def _nothing_as_none(value: object, kind: object) -> object:
    if isinstance(value, dict):
        types = _keys(kind)
        return {key: _nothing_as_none(inner, types.get(key)) for key, inner in value.items()}
    return None if is_null(value) and value not in get_args(kind) else value


def is_null(value: object) -> bool:
    """Return whether a written value stands for none."""
    return value is None or (isinstance(value, str) and value.lower() in NULLS)


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each problem: which key, what is wrong, what is allowed."""
    return [
        _line(problem["type"], problem["loc"], problem["msg"], problem.get("input"), model)
        for problem in error.errors()
    ]


def _line(kind: str, path: tuple[int | str, ...], message: str, given: object, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in path)
    match kind:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"{where}: unknown; {_nearest(path, model)}"
        case "missing":
            return f"{where}: is missing"
        case "value_error":
            return plain_reason(message)
        case "model_type" | "model_attributes_type" | "dict_type" | "dataclass_type":
            return f"{where}: is a section and needs keys under it, not {given!r}"
        case _:
            return f"{where}: {message[:1].lower()}{message[1:]}, not {given!r}"


def _nearest(path: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _keys(model)
    for part in path[:-1]:
        known = _keys(known.get(str(part)))
    near = get_close_matches(str(path[-1]), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"


def _keys(section: object) -> dict[str, object]:
    """Return the types of a section's keys, none where it is no section; of ``Section | None``, those of Section."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if isinstance(section, type) and is_dataclass(section):
        types = get_type_hints(section)
        return {field.name: types[field.name] for field in fields(section)}
    return next((keys for part in get_args(section) if (keys := _keys(part))), {})
