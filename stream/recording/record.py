"""Records of conversations while they go on: sessions note here what they do, a thread of its own writes it down.

Who notes never waits for the disk. What is noted in half a second is written together and synced, the media before what
was done with it and that before the events it led to, so that whatever is cut off, the rest makes sense.
"""

import logging
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from models.threads import watched_thread
from stream.recording.files import Batch, RecordingFiles
from stream.recording.format import About, RecordingError, SessionEntry, Step, line_of
from stream.recording.matroska import Block
from wire import events
from wire.events import Event, Published

log = logging.getLogger("m2fnet.recording")

INTERVAL_S: Final = 0.5
LOW_BYTES: Final = 2_000_000_000  # an hour or more of one participant
LEAST_BYTES: Final = 200_000_000
MAX_WAITING_BYTES: Final = 128_000_000  # half a minute of eight participants: a disk that is slower will not catch up
_NAME_LENGTH: Final = 40
_BROKEN: Final = "what writes recordings broke; the server's log says why"

Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is the same for all recordings of a process."""

    bundle: str
    weights: str
    asr_model: str


class Record:
    """What a room, or a session in none, leaves behind; made by :meth:`Recorder.begin`.

    ``order`` is held by whoever takes a step of the conversation, from noting it to its last effect: so the steps of
    all sessions and what their frames show are noted in the order in which they had their effects.

    Args:
        name: the room's; empty for a session in none.
    """

    def __init__(self, folder: Path, facts: Facts, name: str) -> None:
        self.order = threading.Lock()
        self._folder = folder
        self._alone = not name
        self._about = About(
            room=name, began=_now(), bundle=facts.bundle, weights=facts.weights, asr_model=facts.asr_model
        )
        self._guard = threading.Lock()
        self._batch = Batch()
        self._waiting_bytes = 0
        self._described = False
        self._tell: dict[str, Tell] = {}
        self._files: RecordingFiles | None = None
        self._trouble: str | None = None
        self._told_low = False
        self._ending = self._closed = False

    @property
    def running(self) -> bool:
        """Whether what happens now is recorded."""
        return self._trouble is None and not self._ending

    @property
    def alone(self) -> bool:
        """Whether it is that of a session in no room."""
        return self._alone

    @property
    def closed(self) -> bool:
        """Whether nothing more will be written."""
        return self._closed

    def session(self, entry: SessionEntry, tell: Tell) -> "SessionRecord":
        """Return where a session notes what it does, from its first media on.

        Args:
            entry: what is to be known of it.
            tell: publishes a warning to whoever watches it.
        """
        with self._guard:
            self._about = self._about.model_copy(update={"sessions": [*self._about.sessions, entry]})
            self._described = False
            self._tell[entry.id] = tell
        return SessionRecord(self, entry.id)

    def published(self, published: Published) -> None:
        """Note an event, as it was published."""
        closed = isinstance(published.event, events.SessionClosed)
        with self._guard:
            if self._noting(len(published.text)):
                self._batch.events.append(published.text)
            if closed and self._tell.pop(published.event.session, None) is not None:
                self._batch.ended.append(published.event.session)
        if closed and self._alone:
            self.end()

    def note(self, step: Step) -> None:
        """Note a step; whoever does holds :attr:`order`."""
        line = line_of(step)
        with self._guard:
            if self._noting(len(line)):
                self._batch.steps.append(line)

    def add(self, session: str, block: Block, step: Step, size: tuple[int, int] | None = None) -> None:
        """Note media and the step that takes it; ``size`` is the width and height of a session's first frame."""
        line = line_of(step)
        with self._guard:
            if self._noting(len(block.data) + len(line)):
                self._batch.steps.append(line)
                if block.data and session in self._tell:  # else it was given up, and its file is complete
                    self._batch.media.setdefault(session, []).append(block)
                if size is not None:
                    self._batch.sizes[session] = size

    def end(self) -> None:
        """Say that nothing more comes."""
        self._ending = True

    def stop(self, why: str) -> None:
        """Give up, as where the disk does not take it: nobody writes any more."""
        if not self._closed:
            self._stop(why)

    def flush(self, free_bytes: int) -> None:
        """Write what waits; a disk that does not take it ends the recording, not the sessions. For the writer alone."""
        if self._closed:
            return
        try:
            self._flush(free_bytes)
        except Exception as error:  # whatever is wrong with a recording must not end the others
            foreseen = isinstance(error, OSError | RecordingError)
            log.log(logging.DEBUG if foreseen else logging.ERROR, "a recording broke", exc_info=True)
            self._stop(_why(error))

    def _noting(self, size: int) -> bool:
        if self._trouble is not None or self._closed:
            return False
        self._waiting_bytes += size
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._trouble = "the disk is too slow"
        return self._trouble is None

    def _flush(self, free_bytes: int) -> None:
        if self._trouble is not None:
            self._stop(self._trouble)
            return
        with self._guard:
            about = self._about
            if not about.sessions:  # nobody has sent media: there is nothing to keep
                self._closed = self._ending
                return
            ending = self._ending
            batch, self._batch = self._batch, Batch()
            self._waiting_bytes = 0
            described, self._described = self._described, True
        self._write(about if not described else None, batch, free_bytes)
        if ending:
            self._finish(about)
        elif free_bytes < LOW_BYTES and not self._told_low:
            self._told_low = True
            self._warn("recording.low_space", f"only {free_bytes // 1_000_000} MB are left where is recorded")

    def _write(self, about: About | None, batch: Batch, free_bytes: int) -> None:
        if free_bytes < LEAST_BYTES:
            message = f"only {free_bytes // 1_000_000} MB are left on the disk"
            raise RecordingError(message)
        if self._files is None:
            self._files = self._open()
        if about is not None:
            self._files.describe(about)
        if batch:
            self._files.write(batch)

    def _open(self) -> RecordingFiles:
        began = self._about.began.replace("-", "").replace(":", "")
        name = f"{began}-{_plain(self._about.room or self._about.sessions[0].id)}"
        for number in count(1):
            try:
                return RecordingFiles(self._folder / (name if number == 1 else f"{name}-{number}"))
            except FileExistsError:
                continue
        raise AssertionError

    def _finish(self, about: About) -> None:
        files, self._files = self._files, None
        self._closed = True
        if files is not None:
            files.finish()
            files.describe(about.model_copy(update={"ended": _now()}))
            files.close()
            log.info("a recording of %d session(s) is complete", len(about.sessions))

    def _stop(self, why: str) -> None:
        """Give up, saying so to everybody and, if it can still be written, in the recording."""
        self._trouble = why
        self._closed = True
        with self._guard:
            self._batch = Batch()
            about = self._about.model_copy(update={"stopped": why})
        files, self._files = self._files, None
        if files is not None:
            for last in (partial(files.describe, about), files.close):
                try:
                    last()
                except Exception:
                    log.debug("the recording stays as it is", exc_info=True)
        self._warn("recording.failed", f"nothing is recorded any more: {why}; the session goes on")

    def _warn(self, code: str, message: str) -> None:
        log.warning("a recording: %s", message)  # names of rooms are nobody's business in a log
        with self._guard:
            tell = next(iter(self._tell.values()), None)  # what one session is told comes to the whole room
        if tell is not None:
            tell(events.Warning(code=code, message=message))


@dataclass(frozen=True)
class SessionRecord:
    """Where one session notes what it does."""

    record: Record
    id: str


class Recorder:
    """Writes all recordings of a process, each in a folder of its own in one folder.

    Args:
        folder: is made if it is not there.

    Raises:
        RecordingError: the folder can't be written to.
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        require_writable(folder)
        self._folder, self._facts = folder, facts
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._stopping = threading.Event()
        self._broken = False
        self._thread = watched_thread("recorder", self._work, self._broke)
        self._thread.start()

    def begin(self, name: str) -> Record:
        """Return the record of a new room, or with an empty name of a session in none."""
        record = Record(self._folder, self._facts, name)
        with self._lock:
            self._records.append(record)
            if self._broken:
                record.stop(_BROKEN)
        return record

    def close(self) -> None:
        """Complete all recordings."""
        with self._lock:
            for record in self._records:
                record.end()
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self._flush()
        self._flush()

    def _broke(self, _: BaseException) -> None:
        with self._lock:
            self._broken = True
            records = list(self._records)
        for record in records:  # outside the lock: they tell it
            record.stop(_BROKEN)

    def _flush(self) -> None:
        with self._lock:
            records = list(self._records)
        free_bytes = _free_bytes(self._folder)
        for record in records:
            record.flush(free_bytes)
        with self._lock:
            self._records = [record for record in self._records if not record.closed]


def require_writable(folder: Path) -> None:
    """Make a folder for recordings, and see whether it takes any.

    Raises:
        RecordingError: it does not; the message says why in one line.
    """
    probe = folder / ".m2fnet-can-write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        why = error.strerror or str(error)
        message = f"can't record in {folder}: {why}; name a folder with --record that can be written to"
        raise RecordingError(message) from None


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # writing will say what is wrong
        return LOW_BYTES


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _why(error: Exception) -> str:
    """Return what participants are told of what ended a recording."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) if isinstance(error, RecordingError) else f"writing it broke ({type(error).__name__})"


def _plain(name: str) -> str:
    """Return a name as part of that of a folder, on any system."""
    return re.sub(r"[^\w-]+", "_", name)[:_NAME_LENGTH]
