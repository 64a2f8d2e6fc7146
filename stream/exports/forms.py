"""The forms that results come in, by name and by a file's ending, told without what writes them."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

Format = Literal["json", "csv", "vtt", "srt", "html", "text"]


@dataclass(frozen=True, slots=True)
class Form:
    """How a form is called in file names and on the web, and how it is encoded there."""

    suffix: str
    content_type: str
    encoding: str = "utf-8"


FORMS: Final[dict[Format, Form]] = {
    "json": Form(".json", "application/json"),
    "csv": Form(".csv", "text/csv; charset=utf-8", "utf-8-sig"),  # without the mark Excel reads another encoding
    "vtt": Form(".vtt", "text/vtt; charset=utf-8"),
    "srt": Form(".srt", "application/x-subrip; charset=utf-8"),
    "html": Form(".html", "text/html; charset=utf-8"),
    "text": Form(".txt", "text/plain; charset=utf-8"),
}
ALIASES: Final[dict[str, Format]] = {"txt": "text", "webvtt": "vtt", "subrip": "srt", "htm": "html"}


def find_format(name: str) -> Format | None:
    """Return the form of a name, or of the ending of a file, None if there is none."""
    plain = name.lower().removeprefix(".")
    return next((form for form in FORMS if form == plain), ALIASES.get(plain))


def format_of(output: PurePath | None) -> Format:
    """Return the form that the name of an output asks for: text where it says nothing."""
    return (find_format(output.suffix) if output is not None else None) or "text"
