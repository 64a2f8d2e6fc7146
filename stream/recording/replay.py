"""A recording replayed: the identical events, computed anew from its media.

Voice, faces, text and the dialog go through the networks again; what was heard, and when, is taken from the record.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path

from models.files.output_checks import require_texts
from models.files.whole_file import whole_file
from models.runtime.names import EngineName
from models.runtime.runtime import Runtime
from stream.client_settings import wanted
from stream.dialog.shared_dialog import SharedDialog
from stream.recording.compare import differences, is_computed
from stream.recording.format import RecordingError, SessionEntry
from stream.recording.reader import Recording
from stream.recording.replayed import ReplayedSession
from stream.settings import RuntimeSettings
from wire.events import Event

log = logging.getLogger("m2fnet.replay")


def replayed(recording: Recording, runtime: Runtime) -> Iterator[Event]:
    """Yield the events of a recording again, numbered as they were.

    What connections and sources had to say is taken from the record.

    Raises:
        RecordingError: the recording is damaged.
    """
    return _merged(recording.events(), _computed(recording, runtime), recording.about.room)


def load_runtime(recording: Recording, bundle: Path | None = None, engine: EngineName | None = None) -> Runtime:
    """Return the networks that a recording was made with, or others that were named.

    Raises:
        RecordingError: nobody was recorded.
        BundleError: the bundle is missing or damaged.
        EngineError: the engine does not work here.
    """
    if not recording.about.sessions:
        message = f"{recording.folder} has no sessions: it was cut off before any media came"
        raise RecordingError(message)
    settings: RuntimeSettings = recording.about.sessions[0].settings.runtime
    runtime = Runtime.load(
        bundle or settings.bundle, engine or settings.engine, settings.threads, settings.max_batch, settings.precision
    )
    if runtime.weights_hash != recording.about.weights:
        log.warning("the recording was made with other weights (%s): emotions will differ", recording.about.bundle)
    return runtime


def replay_command(
    folder: Path, output: Path | None, *, check: bool, bundle: Path | None = None, engine: EngineName | None = None
) -> int:
    """Replay a recording and return the exit code: with ``check``, 1 if anything is different.

    Events go to ``output`` as JSON lines, or to standard output, where with ``check`` the differences go instead.

    Raises:
        FileError: ``output`` can't be written, or would replace a file of the recording.
        RecordingError: it is none, or damaged.
        BundleError: the bundle is missing or damaged.
        EngineError: the engine does not work here.
    """
    recording = Recording(folder)
    if output is not None:
        require_texts([output], [folder])
    with closing(load_runtime(recording, bundle, engine)) as runtime:
        told = replayed(recording, runtime)
        if not check:
            _write(told, output)
            return 0
        again = list(told)
    if output is not None:
        _write(again, output)
    found = differences(recording.events(), again, whole=recording.whole)
    count = sum(map(is_computed, again))
    verdict = f"{len(found)} differences" if found else f"identical: {count} events of {folder}"
    sys.stdout.write("".join(f"{line}\n" for line in [*found, verdict]))
    return 1 if found else 0


def _write(told: Iterable[Event], output: Path | None) -> None:
    lines = (f"{event.model_dump_json()}\n" for event in told)
    if output is None:
        sys.stdout.writelines(lines)
    else:
        with whole_file(output) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(lines)


def _computed(recording: Recording, runtime: Runtime) -> Iterator[Event]:
    """Yield what the sessions tell when they take their steps again."""
    told: list[Event] = []
    sessions: dict[str, ReplayedSession] = {}
    entries = {entry.id: entry for entry in recording.about.sessions}
    dialog: SharedDialog | None = None
    with ExitStack() as opened:
        for taken in recording.steps():
            entry = entries[taken.step.session]
            if entry.id not in sessions:
                dialog = dialog or SharedDialog(entry.settings.dialog.window)
                session = ReplayedSession(entry, runtime, dialog, told.append)
                sessions[entry.id] = opened.enter_context(closing(session))
            sessions[entry.id].take(taken)
            yield from (_of(event, entry) for event in told if is_computed(event) and wanted(event, entry.client))
            told.clear()
    if strayed := sum(session.strayed for session in sessions.values()):
        log.warning("speech was cut elsewhere than in the recording: %d of its transcripts belong to nothing", strayed)


def _of(event: Event, entry: SessionEntry) -> Event:
    return event if event.session else event.model_copy(update={"session": entry.id})


def _merged(recorded: Iterable[Event], computed: Iterable[Event], room: str) -> Iterator[Event]:
    """Yield what was computed anew, and between it, where it was, what was not; numbered from 1."""
    anew = iter(computed)
    again = (next(anew, None) if is_computed(event) else event for event in recorded)
    told = chain((event for event in again if event is not None), anew)
    for seq, event in enumerate(told, 1):
        yield event.model_copy(update={"room": room, "seq": seq})
