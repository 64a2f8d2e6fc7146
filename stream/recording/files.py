"""The files of one recording: what is given is appended, on the disk when :meth:`RecordingFiles.write` returns.

For one thread. Errors of the disk (OSError) are the caller's.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.recording.format import ABOUT, EVENTS, STEPS, About, media_name
from stream.recording.matroska import Block, MatroskaWriter, Patch

_OWN: Final = 0o600  # voices and faces are for nobody else on the machine
_OWN_FOLDER: Final = 0o700


@dataclass(slots=True)
class Batch:
    """What came in a while: of each session its blocks and, once known, the size of its frames; lines without ends.

    Of the sessions that ended in it no media comes any more. What a session's media led to is never in an earlier batch
    than the media.
    """

    media: dict[str, list[Block]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.media or self.steps or self.events)


class _File:
    """A file that grows."""

    def __init__(self, path: Path) -> None:
        binary = getattr(os, "O_BINARY", 0)  # Windows would change ends of lines
        self._number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | binary, _OWN)

    def append(self, data: bytes) -> None:
        os.lseek(self._number, 0, os.SEEK_END)
        _write(self._number, data)

    def replace(self, patches: Iterable[Patch]) -> None:
        for patch in patches:
            os.lseek(self._number, patch.position, os.SEEK_SET)
            _write(self._number, patch.data)

    def sync(self) -> None:
        os.fsync(self._number)

    def close(self) -> None:
        os.close(self._number)


class RecordingFiles:
    """Makes the folder, which must not exist yet, and writes into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=_OWN_FOLDER)
        _sync_folder(folder.parent)
        self._steps, self._events = _File(folder / STEPS), _File(folder / EVENTS)
        self._media: dict[str, tuple[_File, MatroskaWriter]] = {}

    def describe(self, about: About) -> None:
        """Write recording.json anew: at no moment is there half of one."""
        text = about.model_dump_json(indent=2) + "\n"
        fresh = self.folder / f".{ABOUT}"
        fresh.unlink(missing_ok=True)
        file = _File(fresh)
        try:
            file.append(text.encode())
            file.sync()
        finally:
            file.close()
        fresh.replace(self.folder / ABOUT)
        _sync_folder(self.folder)

    def write(self, batch: Batch) -> None:
        """Append a batch: media, then what was done with it, then what came of that."""
        self._write_media(batch.media, batch.sizes)
        for file, lines in ((self._steps, batch.steps), (self._events, batch.events)):
            if lines:
                file.append("".join(f"{line}\n" for line in lines).encode())
                file.sync()
        for session in batch.ended:
            self._complete(session)

    def finish(self) -> None:
        """Complete the media files, so that players find their way in them."""
        for session in list(self._media):
            self._complete(session)

    def close(self) -> None:
        """Close the files; not to be used afterwards."""
        for file in (self._steps, self._events, *(file for file, _ in self._media.values())):
            file.close()

    def _complete(self, session: str) -> None:
        """Complete the media of a session and close its file: in a room that lives for long, many come and go."""
        if session not in self._media:
            return
        file, writer = self._media[session]
        index, patches = writer.end()
        file.append(index)
        file.replace(patches)
        file.sync()
        del self._media[session]
        file.close()

    def _write_media(self, media: Mapping[str, Sequence[Block]], sizes: Mapping[str, tuple[int, int]]) -> None:
        for session, blocks in media.items():
            header = b""
            is_new = session not in self._media
            if is_new:
                self._media[session] = _File(self.folder / media_name(session)), MatroskaWriter()
                header = self._media[session][1].header()
            file, writer = self._media[session]
            file.append(header + writer.clusters(blocks))  # a header alone is no file that players open
            if session in sizes:
                file.replace([writer.frame_size(*sizes[session])])
            file.sync()
            if is_new:
                _sync_folder(self.folder)


def _write(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]


def _sync_folder(folder: Path) -> None:
    """Make sure that a new name is on the disk too, where a system has that."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
