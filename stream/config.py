"""Settings from a YAML file and from ``section.key=value`` words; what is wrong with them in plain lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stream.settings import Section, Settings

Values = dict[str, Any]

NULLS = frozenset({"", "~", "null", "none"})


class ConfigError(ValueError):
    """The settings can't be used; the text has one line for each problem."""


def load_settings(file: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Return the defaults, changed by a YAML file, changed by ``section.key=value`` words.

    Raises:
        ConfigError: the file can't be read, or a key or value isn't allowed.
    """
    values = read_yaml(file) if file else {}
    for section, changed in parse_overrides(overrides).items():
        keys = values.get(section) or {}
        values[section] = {**keys, **changed} if isinstance(keys, dict) else keys
    try:
        return Settings.model_validate(without_nulls(values))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, Settings))) from None


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
        message = f"{file}: needs sections with keys, such as\n  server:\n    port: 8765"
        raise ConfigError(message)
    return dict(values or {})


def parse_overrides(words: Iterable[str]) -> dict[str, Values]:
    """Return the values of ``section.key=value`` words by section; the last one of a key counts.

    Raises:
        ConfigError: a word of another form.
    """
    values: dict[str, Values] = {}
    for word in words:
        path, equals, value = word.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot and section and key):
            message = f"--set {word}: write section.key=value, such as --set server.port=9000"
            raise ConfigError(message)
        values.setdefault(section, {})[key] = value.strip()
    return values


def without_nulls(values: Values) -> Values:
    """Return the values with empty sections left out and the words for nothing made None."""
    return {
        section: {key: None if is_null(value) else value for key, value in keys.items()}
        if isinstance(keys, dict)
        else keys
        for section, keys in values.items()
        if not is_null(keys)
    }


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
        case "extra_forbidden":
            return f"{where}: unknown; {_nearest(path, model)}"
        case "value_error":
            return message.removeprefix("Value error, ")
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{where}: is a section and needs keys under it, not {given!r}"
        case _:
            return f"{where}: {message[:1].lower()}{message[1:]}, not {given!r}"


def _nearest(path: tuple[int | str, ...], model: type[BaseModel]) -> str:
    fields: Mapping[str, FieldInfo] = model.model_fields
    for part in path[:-1]:
        section = fields[str(part)].annotation
        fields = section.model_fields if isinstance(section, type) and issubclass(section, Section) else {}
    near = get_close_matches(str(path[-1]), fields, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(fields)}"


def describe_settings() -> list[tuple[str, str, str]]:
    """Return every setting as (``section.key``, default, what it means), in order."""
    return [
        (f"{name}.{key}", _shown(field.default), "; ".join(_meaning(field)))
        for name, section in Settings()
        for key, field in type(section).model_fields.items()
    ]


def _meaning(field: FieldInfo) -> Iterator[str]:
    if field.description:
        yield field.description
    if get_origin(field.annotation) is Literal:
        yield f"one of {', '.join(map(str, get_args(field.annotation)))}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
