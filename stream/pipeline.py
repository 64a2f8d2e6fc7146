"""A source read to its end through a session."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

from stream.media import AudioChunk, DropCounts, Media, SourceStatus, VideoFrame
from wire import events
from wire.events import Event, Totals

_POLL_S: Final = 0.05

Tap = Callable[[Media], None]
"""Sees what a source yields before the session that reads it, in that session's thread."""


class Readable(Protocol):
    """What the pipeline needs of a source."""

    @property
    def name(self) -> str:
        """What to call it; holds no secret."""

    @property
    def dropped(self) -> DropCounts:
        """What the source threw away."""

    def start(self) -> None:
        """Begin to produce."""

    def read(self, timeout: float | None = None) -> Media | None:
        """Return the next item, None at time-out."""

    def stop(self) -> None:
        """End the source."""


class Drivable(Protocol):
    """What the pipeline needs of a session: :class:`stream.session.Session`."""

    emit: Callable[[Event], None]

    @property
    def totals(self) -> Totals:
        """What was done so far."""

    def push(self, media: AudioChunk | VideoFrame) -> None:
        """Take the next sound or frame."""

    def poll(self) -> None:
        """Tell whatever has become ready."""

    def finish(self) -> Totals:
        """Tell all that is left and return the totals."""

    def close(self) -> None:
        """Take back what is not done and end its threads, however it ended; more calls do nothing."""


@dataclass(frozen=True)
class SessionOutcome:
    """How a session ended: ``reason`` is the code of the source's last status, or ``stopped``."""

    totals: Totals
    reason: str
    failure: SourceStatus | None = None


def run_session(source: Readable, session: Drivable, stop: threading.Event, taps: Sequence[Tap] = ()) -> SessionOutcome:
    """Read ``source`` until it ends or ``stop`` is set, then finish the session.

    Statuses of the source become ``warning`` events; a failure becomes an ``error`` that ends the session. Whatever
    breaks, source and session are closed.
    """
    with closing(session):
        last = _read(source, session, stop, taps)
        totals = session.finish()
    dropped = source.dropped
    totals = totals.model_copy(
        update={
            "dropped_audio_chunks": totals.dropped_audio_chunks + dropped.audio_chunks,
            "dropped_video_frames": totals.dropped_video_frames + dropped.video_frames,
        }
    )
    failure = last if last is not None and last.kind == "failed" else None
    return SessionOutcome(totals, last.code if last is not None else "stopped", failure)


def _read(source: Readable, session: Drivable, stop: threading.Event, taps: Sequence[Tap]) -> SourceStatus | None:
    """Read until the source's final status, which is returned, or until ``stop`` is set."""
    last: SourceStatus | None = None
    try:
        source.start()
        while last is None and not stop.is_set():
            last = _step(source, session, taps)
    finally:
        source.stop()
    return last


def _step(source: Readable, session: Drivable, taps: Sequence[Tap]) -> SourceStatus | None:
    """Handle one item; return the source's final status when it comes."""
    media = source.read(_POLL_S)
    if media is None:
        session.poll()
        return None
    for tap in taps:
        tap(media)
    if not isinstance(media, SourceStatus):
        session.push(media)
    else:
        _report(media, session.emit)
        return media if media.final else None
    return None


def _report(status: SourceStatus, emit: Callable[[Event], None]) -> None:
    if status.kind == "failed":
        emit(events.Error(code=status.code, message=status.message, fatal=True))
    elif status.kind in {"warning", "reconnecting"}:
        emit(events.Warning(code=status.code, message=status.message))
