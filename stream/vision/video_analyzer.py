"""The thread that looks at the frames of one participant as they arrive, as many as there is time for."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Protocol

from models.runtime.schedule import DeadlineExceededError
from models.threads import as_exception, watched_thread
from stream.media import AudioChunk, VideoFrame
from stream.settings import VisionSettings
from stream.vision.face_analyzer import FaceAnalyzer, Seen
from stream.vision.frame_rate import FrameRate
from stream.vision.mouths import MOST_BETWEEN
from wire.events import Faces

_STOP_TIMEOUT_S: Final = 5.0
_IN_LINE: Final = 16


@dataclass(frozen=True)
class VisionCounts:
    """What became of the frames.

    Attributes:
        analyzed: all those whose faces were told.
        followed: of these, where faces were followed instead of searched for.
        skipped: replaced by a newer one while the one before was still in work.
        late: not analyzed to the end, because they had waited for too long.
        passed_over: left out because analysis takes long, though ``vision.max_fps`` would have let them through.
    """

    analyzed: int = 0
    followed: int = 0
    skipped: int = 0
    late: int = 0
    passed_over: int = 0


class AnalysisObserver(Protocol):
    """Is there when a frame has been dealt with: what comes of it happens within the context it gives."""

    def seen(self, frame: VideoFrame, interval_ms: int) -> AbstractContextManager[object]:
        """Return the context in which an analyzed frame is kept and told."""

    def unseen(self, frame: VideoFrame, error: Exception | None) -> AbstractContextManager[object]:
        """Return the context in which it is told that one could not be analyzed; None: it was late."""


class Nobody:
    """Looks at nothing."""

    def seen(self, *_: object) -> AbstractContextManager[None]:
        """Return a context without effect."""
        return nullcontext()

    unseen = seen


class VideoAnalyzer(Protocol):
    """What a session needs of its eyes: :class:`Vision`."""

    def push(self, frame: VideoFrame) -> None:
        """Offer the next frame."""

    def during(self, sound: AudioChunk) -> Seen:
        """Return what was seen of an utterance, given its sound."""

    @property
    def counts(self) -> VisionCounts:
        """What was done so far."""

    def close(self) -> None:
        """Finish what waits and stop."""

    def stop(self) -> None:
        """Stop without what waits; what is closed already stays so."""


@dataclass(frozen=True, eq=False)
class FrameAnalysis:
    """What is to be done with the frames of a session.

    Attributes:
        failed: told, in the vision thread, why a frame could not be analyzed.
        live: frames come at their own pace and may be skipped.
    """

    analyzer: FaceAnalyzer
    settings: VisionSettings
    emit: Callable[[Faces], None]
    failed: Callable[[Exception], None]
    live: bool


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A frame that is to be analyzed: since when, and those since the one before, oldest first."""

    since: float
    frame: VideoFrame
    between: tuple[VideoFrame, ...]

    def then(self, later: tuple[VideoFrame, ...]) -> tuple[VideoFrame, ...]:
        """Return what lies between the frame before and one after this, if this is not analyzed."""
        return (*self.between, self.frame, *later)[-MOST_BETWEEN:]


MakeVideoAnalyzer = Callable[[FrameAnalysis], VideoAnalyzer]
"""Gives a session its eyes."""


class Vision:
    """One thread analyzes a session's frames; sound never waits for it.

    Where that thread breaks, :meth:`push` and :meth:`between` raise what broke it.

    Live, the newest frame replaces one that still waits, and one that waits for longer than its deadline is
    dropped; both are counted. What the analysis itself takes is no waiting: a slow machine sees fewer frames,
    not none. Otherwise every admitted frame is analyzed, and whoever pushes waits while a few are in line, so
    that results repeat exactly.

    Args:
        clock: tells the time, in seconds.
        witness: is told what becomes of each frame that was taken up.
    """

    def __init__(
        self,
        task: FrameAnalysis,
        *,
        clock: Callable[[], float] = time.perf_counter,
        witness: AnalysisObserver | None = None,
    ) -> None:
        self._analyzer, self._emit, self._failed, self._live = task.analyzer, task.emit, task.failed, task.live
        self._clock, self._witness = clock, witness or Nobody()
        self._rate = FrameRate(task.settings.max_fps, task.settings.processor_share if task.live else None)
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._passed: tuple[VideoFrame, ...] = ()  # since the last that waits, or was analyzed
        self._busy = self._closed = False
        self._busy_ms = math.inf  # media time of the frame that is being analyzed
        self._broken: Exception | None = None
        self._began = 0.0  # when the analysis that is going on did, while busy
        self._counts = VisionCounts()
        self._thread = watched_thread("vision", self._work, self._broke)
        self._thread.start()

    def push(self, frame: VideoFrame) -> None:
        """Offer the next frame; whether it is analyzed depends on how long ago the last was."""
        self._require_unbroken()
        with self._changed:
            running_ms = (self._clock() - self._began) * 1000 if self._busy else 0.0
            if self._closed:
                return
            if not self._rate.admits(frame.time_ms, running_ms):
                self._pass(frame)
                return
            if self._live:
                self._drop_waiting()
            else:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < _IN_LINE)
            self._waiting.append(_Waiting(self._clock(), frame, self._passed))
            self._passed = ()
            self._changed.notify_all()

    def _pass(self, frame: VideoFrame) -> None:
        if self._analyzer.tells_speakers:
            self._passed = (*self._passed, frame)[-MOST_BETWEEN:]

    def _drop_waiting(self) -> None:
        """Let the newest frame take the place of those that wait."""
        self._count(skipped=len(self._waiting))
        while self._waiting:
            self._passed = self._waiting.pop().then(self._passed)

    def during(self, sound: AudioChunk) -> Seen:
        """Return what was seen of an utterance, given its sound; not live, its frames in line come first."""
        if not self._live:
            with self._changed:
                self._changed.wait_for(lambda: self._broken is not None or not self._is_due(sound.end_ms))
        self._require_unbroken()
        return self._analyzer.during(sound)

    @property
    def counts(self) -> VisionCounts:
        """Return what was done so far."""
        with self._changed:
            return replace(self._counts, passed_over=self._rate.passed_over)

    def close(self) -> None:
        """Finish what waits and stop; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_STOP_TIMEOUT_S)

    def stop(self) -> None:
        """Stop without what waits; the frame under way is waited for, a few seconds at most."""
        with self._changed:
            self._count(skipped=len(self._waiting))
            self._waiting.clear()
        self.close()

    def _work(self) -> None:
        while (waited := self._next()) is not None:
            frame, start = waited.frame, self._clock()
            if self._is_late((start - waited.since) * 1000):
                self._leave_out(waited)
                continue
            try:
                self._tell(waited)
            except DeadlineExceededError:
                with self._witness.unseen(frame, None):
                    self._count(late=1)
            except Exception as error:  # noqa: BLE001 - one bad frame must not end the session's vision
                with self._witness.unseen(frame, error):
                    self._failed(error)
            self._done((self._clock() - start) * 1000)

    def _leave_out(self, waited: _Waiting) -> None:
        """Pass over a frame that is late; it lies between those before and after it now."""
        with self._changed:
            if self._waiting:
                following = self._waiting.popleft()
                self._waiting.appendleft(replace(following, between=waited.then(following.between)))
            else:
                self._passed = waited.then(self._passed)
        self._count(late=1)
        self._done(None)

    def _broke(self, error: BaseException) -> None:
        """Let the session, which must not wait for a thread that is gone, raise what broke it."""
        with self._changed:
            self._broken = as_exception(error)
            self._busy, self._busy_ms, self._closed = False, math.inf, True
            self._waiting.clear()
            self._changed.notify_all()

    def _require_unbroken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _is_due(self, end_ms: float) -> bool:
        """Return whether a frame before a time is yet to be analyzed."""
        return self._busy_ms < end_ms or any(waiting.frame.time_ms < end_ms for waiting in self._waiting)

    def _is_late(self, waited_ms: float) -> bool:
        deadline_ms = self._analyzer.deadline_ms
        return deadline_ms is not None and waited_ms > deadline_ms

    def _tell(self, waited: _Waiting) -> None:
        """Analyze a frame and tell its faces.

        Raises:
            DeadlineExceededError: it has waited for a network for too long.
        """
        analyzed = self._analyzer.analyze(waited.frame, waited.between)
        interval_ms = round(self._rate.interval_ms)
        with self._witness.seen(waited.frame, interval_ms):
            self._analyzer.keep(analyzed)
            self._count(analyzed=1, followed=int(analyzed.followed))
            self._emit(analyzed.faces.model_copy(update={"interval_ms": interval_ms}))

    def _count(self, analyzed: int = 0, followed: int = 0, skipped: int = 0, late: int = 0) -> None:
        with self._changed:
            so_far = self._counts
            self._counts = replace(
                so_far,
                analyzed=so_far.analyzed + analyzed,
                followed=so_far.followed + followed,
                skipped=so_far.skipped + skipped,
                late=so_far.late + late,
            )

    def _next(self) -> _Waiting | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            self._busy, self._began = bool(self._waiting), self._clock()
            self._busy_ms = self._waiting[0].frame.time_ms if self._waiting else math.inf
            return self._waiting.popleft() if self._waiting else None

    def _done(self, cost_ms: float | None) -> None:
        """Note that the frame is dealt with, and what its analysis took, None if there was none."""
        with self._changed:
            self._busy, self._busy_ms = False, math.inf
            if cost_ms is not None:
                self._rate.spent(cost_ms)
            self._changed.notify_all()
