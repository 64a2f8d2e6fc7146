"""Dialogs read back from files: the events of a recording, or what ``m2fnet analyze --format json`` wrote."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from models.files.file_names import shown
from models.user_error import UserError
from stream.exports.from_events import conversations, dialog_from_events
from stream.exports.results import ANALYSIS, AnalysisResult, WarningResult
from wire.events import EVENT, EVENT_TYPES, Event
from wire.strict import problems_of

EVENTS_FILE: Final = "events.jsonl"


class SavedError(UserError):
    """A file holds no dialog; the message names it and says what to give instead."""


def read_dialogs(path: Path, name: str = "") -> list[AnalysisResult]:
    """Return the dialogs that a file holds: one for each room, and for each session that is in none.

    Args:
        path: JSON lines with an event in each; the folder of a recording, where they are in ``events.jsonl``; or the
            JSON of analyzed files.
        name: what errors call it; its path if none is given.

    Raises:
        SavedError: it can't be read, or holds something else.
    """
    place = path / EVENTS_FILE if path.is_dir() else path
    file = name or shown(place)
    try:
        # Windows' editors put a mark in front; a crash may have cut a character in two.
        with place.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            first = next((line for line in lines if line.strip()), "")
            lines.seek(0)
            return _told(file, lines) if _is_event(first) else _analyzed(file, lines.read())
    except OSError as error:
        message = f"can't read {file}: {error.strerror}; give the {EVENTS_FILE} of a recording, or analyzed JSON"
        raise SavedError(message) from error


def _is_event(line: str) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _analyzed(file: str, text: str) -> list[AnalysisResult]:
    try:
        found = ANALYSIS.validate_json(text)
    except ValidationError as error:
        raise _neither(file) from error
    results = found if isinstance(found, list) else [found]
    if not results:
        message = f"{file} holds no dialog: the list in it is empty"
        raise SavedError(message)
    return results


def _neither(file: str) -> SavedError:
    return SavedError(
        f"{file} is neither a recording's events (JSON lines) nor what `m2fnet analyze --format json` writes; "
        "give one of these"
    )


def _told(file: str, lines: Iterable[str]) -> list[AnalysisResult]:
    torn: list[int] = []
    found = conversations(_events(file, lines, torn))
    if not found:
        message = f"{file} holds no dialog: none of its events names a room or a session"
        raise SavedError(message)
    results = [dialog_from_events(told, name) for name, told in found.items()]
    return [_with_end_lost(result) for result in results] if torn else results


def _events(file: str, lines: Iterable[str], torn: list[int]) -> Iterator[Event]:
    """Yield the events of the types that are known; the number of a last line that was cut off goes to ``torn``."""
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line) if line.strip() else {}
            if not isinstance(value, dict):
                raise _no_event(file, number, "no JSON object")
            if value.get("type") in EVENT_TYPES:
                yield EVENT.validate_json(line)  # more exact than the value: half a character is an error
        except ValidationError as error:
            raise _no_event(file, number, str(problems_of(error, within=1)[0])) from None
        except ValueError:
            if line.endswith("\n"):
                raise _no_event(file, number, "not JSON") from None
            torn.append(number)


def _no_event(file: str, number: int, why: str) -> SavedError:
    return SavedError(f"{file}, line {number}: this is no event of docs/protocol.md ({why}); take the line out")


def _with_end_lost(result: AnalysisResult) -> AnalysisResult:
    warning = WarningResult(code="events.truncated", message="the last event was cut off, what came then is lost")
    return result.model_copy(update={"warnings": [*result.warnings, warning]})
