"""Names of files as text that any output can hold: not every system's file names are characters."""

import os
import re
from pathlib import Path
from typing import Final

_ALONE: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def shown(path: str | Path) -> str:
    r"""Return a path as one line of valid text: bytes that are no UTF-8, and control characters, as ``\xe9``."""
    try:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no name that this system can have
        text = encodable(str(path))
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def encodable(text: str) -> str:
    r"""Return text in which the bytes of file names that are no UTF-8, and halves of characters, are escaped."""
    return _ALONE.sub(_escaped, text)


def _escaped(found: "re.Match[str]") -> str:
    code = ord(found[0])
    is_byte = 0xDC80 <= code <= 0xDCFF  # noqa: PLR2004 - where Python puts the bytes of names that it can't decode
    return f"\\x{code - 0xDC00:02x}" if is_byte else f"\\u{code:04x}"
