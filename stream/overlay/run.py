"""A source analyzed live, and its frames passed on with what is known of them."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.threads import watched_thread
from stream.media import AudioChunk, DropCounts, Media, SourceStatus, VideoFrame
from stream.overlay.drawing import draw
from stream.overlay.look import Look
from stream.overlay.outputs import Output, OverlayError
from stream.overlay.state import OverlayState
from stream.pipeline import Readable, run_session
from stream.session import Session
from stream.sources.media_queue import Bounds, MediaQueue
from stream.sources.relay import RelayedSource
from wire import events
from wire.events import Event, Totals

_NO_CAMERA: Final = frozenset(("camera.lost", "camera.not_found", "camera.error"))
_END: Final = SourceStatus("ended", "overlay.ended", "no more frames come")

log = logging.getLogger("m2fnet.overlay")


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of it: the session's totals, and what was drawn or left out for want of time."""

    totals: Totals
    frames: int
    dropped: DropCounts


class OverlayScreen:
    """Draws what a session tells onto its frames in a thread of its own, so that the session never waits.

    Frames that are not drawn in time are dropped, the oldest first.

    Args:
        failed: called in that thread when the output can't go on; :attr:`error` says why.
    """

    def __init__(self, output: Output, look: Look, failed: Callable[[], None]) -> None:
        self.error: OverlayError | None = None
        self.frames = 0
        self._output, self._look, self._failed = output, look, failed
        self._state, self._lock = OverlayState(look.fade_s), threading.Lock()
        self._now_ms = 0.0
        self._queue = MediaQueue(live=True, bounds=Bounds(video_frames=output.may_wait))
        self._thread = watched_thread("overlay", self._work, self._broke)
        self._thread.start()

    def show(self, media: Media) -> None:
        """Take the next sound or frame."""
        if not isinstance(media, SourceStatus):
            self._now_ms = max(self._now_ms, media.time_ms)
            self._queue.put(media)
        elif media.kind == "opened":
            self._queue.put(media)

    def tell(self, event: Event) -> None:
        """Take an event; from any thread."""
        with self._lock:
            self._state.apply(event, self._now_ms)

    @property
    def dropped(self) -> DropCounts:
        """Return what was not drawn in time, and what sound the output has left out."""
        dropped = self._queue.dropped
        return DropCounts(dropped.audio_chunks + self._output.left_out, dropped.video_frames)

    def close(self) -> None:
        """Draw what waits and end the output."""
        self._queue.put(_END)
        self._thread.join()

    def _work(self) -> None:
        try:
            try:
                while (media := self._queue.get()) is not None and media is not _END:
                    self._pass_on(media)
            finally:
                self._output.close()
        except OverlayError as error:
            self._fail(error)

    def _pass_on(self, media: Media) -> None:
        if isinstance(media, SourceStatus):
            if media.has_sound is not None:
                self._output.expect(sound=media.has_sound)
            return
        if isinstance(media, AudioChunk):
            self._output.sound(media)
            return
        with self._lock:
            view = self._state.view(media.time_ms)
        self._output.video(VideoFrame(media.time_ms, draw(media.image, view, self._look)))
        self.frames += 1

    def _broke(self, error: BaseException) -> None:
        self._fail(OverlayError(f"drawing the overlay broke ({type(error).__name__}); --verbose shows where"))

    def _fail(self, error: OverlayError) -> None:
        self.error = error
        self._queue.close()
        self._failed()


def show_overlay(
    source: Readable,
    make_session: Callable[[Callable[[Event], None]], Session],
    output: Output,
    look: Look,
    stop: threading.Event,
) -> Shown:
    """Analyze ``source`` until it ends or ``stop`` is set, and pass its frames on with the overlay.

    Warnings are logged.

    Raises:
        OverlayError: the source or the output can't go on, or there was not one frame.
    """
    screen = OverlayScreen(output, look, stop.set)
    lost: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, events.Warning):
            log.warning("%s", event.message)
            # A microphone that goes on without its camera is not enough here.
            if event.code in _NO_CAMERA:
                lost.append(event.message)
                stop.set()
        screen.tell(event)

    try:
        outcome = run_session(RelayedSource(source, screen.show), make_session(emit), stop)
    finally:
        screen.close()
    if screen.error is not None:
        raise screen.error
    if outcome.failure is not None:
        raise OverlayError(outcome.failure.message)
    if lost:
        raise OverlayError(lost[0])
    if not screen.frames and not stop.is_set():
        message = f"{source.name} has no frames to draw on"
        raise OverlayError(message)
    return Shown(outcome.totals, screen.frames, screen.dropped)
