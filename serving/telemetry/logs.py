"""How log records are written: as lines of text or as JSON, and without what participants said or are called.

A log call never puts such contents into its message; it hands them over as ``extra={"contents": …}``, and they are
written only where ``server.log_contents`` asks for it. What an exception says may quote anything: of one, only its
type and where it happened are written. Whatever looks like a secret in an address is taken out always.
"""

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Final

from models.threads import note_broken
from stream.settings import ServerSettings

TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
OWN_LOGGERS: Final = ("m2fnet", "models", "serving", "stream")

_SECRET: Final = re.compile(r"(?i)\b((?:access_)?token|key|password)=[^&\s'\"<>]+")
_BEARER: Final = re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]+")
_ASYNCIO: Final = re.compile(r"[^\n<(]*")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "contents", "taskName"}


def without_secrets(text: str) -> str:
    """Return a text with the values of tokens, keys and passwords taken out."""
    return _BEARER.sub(r"\1 …", _SECRET.sub(r"\1=…", text))


class _Discreet(logging.Formatter):
    """What both forms share.

    Args:
        contents: write also what participants said, what they are called, and what exceptions say.
    """

    def __init__(self, form: str | None = None, *, contents: bool) -> None:
        super().__init__(form)
        self.contents = contents

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Return where it happened, and what it was."""
        kind, error, trace = ei if isinstance(ei, tuple) else (None, None, None)
        if kind is None:
            return ""
        if self.contents:
            return without_secrets("".join(traceback.format_exception(kind, error, trace)).rstrip())
        frames = "".join(traceback.format_tb(trace))
        return f"Traceback (most recent call last):\n{frames}{kind.__qualname__}"

    def said(self, record: logging.LogRecord) -> str:
        """Return the message, with its contents where they are wanted."""
        message = record.getMessage()
        if not self.contents:
            # asyncio describes tasks and calls by their results, arguments and errors, whatever these hold.
            found = _ASYNCIO.match(message) if record.name == "asyncio" else None
            return without_secrets(found[0].strip() if found else message)
        extra = getattr(record, "contents", None)
        return without_secrets(f"{message}: {extra}" if extra else message)


class TextFormatter(_Discreet):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; a traceback follows on lines of its own."""
        shown = logging.makeLogRecord(vars(record) | {"msg": self.said(record), "args": None, "exc_text": None})
        return super().format(shown)


class JsonFormatter(_Discreet):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and what the call added to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON."""
        written: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "log"),
            "message": self.said(record),
        }
        written |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            written["error"] = getattr(record.exc_info[0], "__qualname__", "")
            written["traceback"] = self.formatException(record.exc_info)
        return json.dumps(written, ensure_ascii=False, default=str)


def configure(settings: ServerSettings) -> None:
    """Write the log of this process as the settings say; handlers that exist already are kept."""
    logging.basicConfig(level=logging.INFO, format=TEXT)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_formatter(settings, handler))
    for name in OWN_LOGGERS:  # OpenVINO quietens the root logger while it converts in the background
        own = logging.getLogger(name)
        own.setLevel(min(logging.getLogger().level, logging.INFO))
    threading.excepthook = _thread_broke


def _formatter(settings: ServerSettings, handler: logging.Handler) -> logging.Formatter:
    if settings.log_format == "json":
        return JsonFormatter(contents=settings.log_contents)
    form = getattr(handler.formatter, "_fmt", None)
    return TextFormatter(form if isinstance(form, str) else TEXT, contents=settings.log_contents)


def _thread_broke(broken: threading.ExceptHookArgs) -> None:
    """Log what ended a thread, instead of having it printed with whatever the exception says."""
    if broken.exc_type is SystemExit:
        return
    error = broken.exc_value if broken.exc_value is not None else broken.exc_type()
    name = broken.thread.name if broken.thread else "?"
    note_broken("thread", "other", error, name=name)
    sys.stderr.flush()
