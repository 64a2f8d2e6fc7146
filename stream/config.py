"""The settings of the live pipeline from a YAML file and from ``section.key=value`` words, and a list of them all."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from models.files.config_file import ConfigError, load_config
from stream.settings import Settings

__all__ = ["ConfigError", "describe_settings", "load_settings"]


def load_settings(file: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Return the defaults, changed by a YAML file, changed by ``section.key=value`` words.

    Raises:
        ConfigError: the file can't be read, or a key or value isn't allowed.
    """
    return load_config(Settings, file, overrides)


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
