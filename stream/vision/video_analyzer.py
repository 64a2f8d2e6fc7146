"""Faces in the frames of one participant: found, followed, and named by expression as frames arrive."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.media.face_image import crop_face
from models.media.geometry import Box
from models.networks.faces import weighted_faces
from models.runtime.runtime import Branch, Runtime
from models.runtime.schedule import DeadlineExceededError
from models.threads import as_exception, watched_thread
from stream.media import Image, VideoFrame
from stream.settings import VisionSettings
from stream.vision.face_finder import Detector, FaceFinder
from stream.vision.frame_rate import FrameRate
from stream.vision.frame_timeline import FrameTimeline
from stream.vision.tracker import FaceTracker
from wire.events import FaceBox, Faces

Floats = npt.NDArray[np.float32]

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


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of an utterance: its face and scene vectors ``(dim,)``, None where there is none."""

    face: Floats | None
    scene: Floats | None


@dataclass(frozen=True, eq=False)
class Analyzed:
    """What one frame shows, and whether its faces were followed instead of searched for."""

    time_ms: float
    faces: Faces
    seen: Seen
    followed: bool


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


class FaceAnalyzer:
    """Turns a frame into a ``faces`` event, and remembers what is kept of it for the utterance it belongs to.

    Args:
        detect_every: search for faces in one of so many frames at least.
        eager: search also wherever the frame before had no face.
        session: whose requests these are, for the runtime.
        deadline_ms: how long a frame may wait, in line or for a network; None: for ever.
    """

    def __init__(
        self,
        detector: Detector,
        runtime: Runtime,
        *,
        detect_every: int = 1,
        eager: bool = True,
        session: str = "",
        deadline_ms: float | None = None,
    ) -> None:
        self.deadline_ms = deadline_ms
        self._runtime, self._session = runtime, session
        self._finder = FaceFinder(detector, detect_every, eager=eager)
        self._tracker = FaceTracker()
        self._faces, self._scenes = FrameTimeline(), FrameTimeline()
        self._lock = threading.Lock()

    def analyze(self, frame: VideoFrame) -> Analyzed:
        """Find, follow and embed the faces of one frame; :meth:`keep` then remembers it.

        Whatever goes wrong, nothing of the frame is left, and the next one is searched.

        Raises:
            DeadlineExceededError: it had to wait for a network for too long.
        """
        try:
            return self._analyze(frame)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Search the next frame, whatever was known of this one."""
        self._finder.forget()

    def keep(self, analyzed: Analyzed) -> None:
        """Remember what a frame shows, for the utterance it belongs to."""
        with self._lock:
            self._faces.add(analyzed.time_ms, analyzed.seen.face)
            self._scenes.add(analyzed.time_ms, analyzed.seen.scene)

    def _analyze(self, frame: VideoFrame) -> Analyzed:
        height, width = frame.image.shape[:2]
        scene = self._runtime.scene(frame.image, session=self._session, deadline_ms=self.deadline_ms)
        found = self._finder.find(frame.image)
        boxes = found.boxes
        branches = self._expressions(frame.image, boxes)
        vector = weighted_faces([branch.embedding for branch in branches], boxes) if branches else None
        whole = scene.result()
        ids = self._tracker.update(frame.time_ms, boxes)
        named = [dict(zip(self._runtime.labels, map(float, branch.probabilities), strict=True)) for branch in branches]
        faces = [
            FaceBox(id=identity, box=(box.left, box.top, box.right, box.bottom), expression=expression)
            for identity, box, expression in zip(ids, boxes, named or [{}] * len(boxes), strict=True)
        ]
        told = Faces(time_ms=round(frame.time_ms), width=width, height=height, faces=faces)
        return Analyzed(frame.time_ms, told, Seen(vector, None if whole is None else whole.embedding), found.followed)

    def _expressions(self, image: Image, boxes: Sequence[Box]) -> list[Branch]:
        if not boxes:
            return []
        crops = np.stack([crop_face(image, box) for box in boxes])
        return self._runtime.faces(crops, session=self._session, deadline_ms=self.deadline_ms).result()

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance."""
        with self._lock:
            return Seen(self._faces.utterance(start_ms, end_ms), self._scenes.utterance(start_ms, end_ms))


class VideoAnalyzer(Protocol):
    """What a session needs of its eyes: :class:`Vision`."""

    def push(self, frame: VideoFrame) -> None:
        """Offer the next frame."""

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance."""

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
        self._waiting: deque[tuple[float, VideoFrame]] = deque()
        self._busy = self._closed = False
        self._busy_ms = math.inf  # media time of the frame that is being analyzed
        self._broken: Exception | None = None
        self._began = 0.0  # when the analysis that is going on did, while busy
        self._counts = VisionCounts()
        self._thread = watched_thread("vision", self._work, self._broke)
        self._thread.start()

    def push(self, frame: VideoFrame) -> None:
        """Offer the next frame; whether it is looked at depends on how long ago the last was."""
        self._require_unbroken()
        with self._changed:
            running_ms = (self._clock() - self._began) * 1000 if self._busy else 0.0
            if self._closed or not self._rate.admits(frame.time_ms, running_ms):
                return
            if self._live:
                self._count(skipped=len(self._waiting))
                self._waiting.clear()
            else:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < _IN_LINE)
            self._waiting.append((self._clock(), frame))
            self._changed.notify_all()

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance; not live, its frames in line come first."""
        if not self._live:
            with self._changed:
                self._changed.wait_for(lambda: self._broken is not None or not self._is_due(end_ms))
        self._require_unbroken()
        return self._analyzer.between(start_ms, end_ms)

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
            since, frame = waited
            start = self._clock()
            if self._is_late((start - since) * 1000):
                self._count(late=1)
                self._done(None)
                continue
            try:
                self._tell(frame)
            except DeadlineExceededError:
                with self._witness.unseen(frame, None):
                    self._count(late=1)
            except Exception as error:  # noqa: BLE001 - one bad frame must not end the session's vision
                with self._witness.unseen(frame, error):
                    self._failed(error)
            self._done((self._clock() - start) * 1000)

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
        return self._busy_ms < end_ms or any(frame.time_ms < end_ms for _, frame in self._waiting)

    def _is_late(self, waited_ms: float) -> bool:
        deadline_ms = self._analyzer.deadline_ms
        return deadline_ms is not None and waited_ms > deadline_ms

    def _tell(self, frame: VideoFrame) -> None:
        """Analyze a frame and tell its faces.

        Raises:
            DeadlineExceededError: it has waited for a network for too long.
        """
        analyzed = self._analyzer.analyze(frame)
        interval_ms = round(self._rate.interval_ms)
        with self._witness.seen(frame, interval_ms):
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

    def _next(self) -> tuple[float, VideoFrame] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            self._busy, self._began = bool(self._waiting), self._clock()
            self._busy_ms = self._waiting[0][1].time_ms if self._waiting else math.inf
            return self._waiting.popleft() if self._waiting else None

    def _done(self, cost_ms: float | None) -> None:
        """Note that the frame is dealt with, and what its analysis took, None if there was none."""
        with self._changed:
            self._busy, self._busy_ms = False, math.inf
            if cost_ms is not None:
                self._rate.spent(cost_ms)
            self._changed.notify_all()
