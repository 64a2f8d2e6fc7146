"""Faces in the pictures of one participant: found, followed, and named by expression as frames arrive."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.face_image import crop_face
from models.faces import Detection, weighted_faces
from models.geometry import Box
from models.runtime.runtime import Branch, Runtime
from stream.events import FaceBox, Faces
from stream.media import Image, VideoFrame
from stream.picture_timeline import PictureTimeline
from stream.rate import FrameRate
from stream.settings import VisionSettings
from stream.tracker import FaceTracker

Floats = npt.NDArray[np.float32]

_STOP_TIMEOUT_S: Final = 5.0
_IN_LINE: Final = 4


class Detector(Protocol):
    """What finds faces: :class:`models.faces.FaceDetector`."""

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of an RGB picture."""


@dataclass(frozen=True)
class VisionCounts:
    """How many pictures were analyzed, and how many arrived while the one before was still in work."""

    analyzed: int = 0
    skipped: int = 0


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of an utterance: its face and scene vectors ``(dim,)``, None where there is none."""

    face: Floats | None
    scene: Floats | None


class FaceAnalyzer:
    """Turns a picture into a ``faces`` event, and keeps what it shows for the utterance it belongs to."""

    def __init__(self, detector: Detector, runtime: Runtime) -> None:
        self._detector, self._runtime = detector, runtime
        self._tracker = FaceTracker()
        self._faces, self._scenes = PictureTimeline(), PictureTimeline()
        self._lock = threading.Lock()

    def analyze(self, frame: VideoFrame) -> Faces:
        """Detect, follow and embed the faces of one picture."""
        height, width = frame.image.shape[:2]
        boxes = [found.box for found in self._detector.detect(frame.image)]
        ids = self._tracker.update(frame.time_ms, boxes)
        scene = self._runtime.scene(frame.image)
        branches = self._expressions(frame.image, boxes)
        vector = weighted_faces([branch.embedding for branch in branches], boxes) if branches else None
        whole = scene.result()
        with self._lock:
            self._faces.add(frame.time_ms, vector)
            self._scenes.add(frame.time_ms, None if whole is None else whole.embedding)
        named = [dict(zip(self._runtime.labels, map(float, branch.probabilities), strict=True)) for branch in branches]
        faces = [
            FaceBox(id=identity, box=(box.left, box.top, box.right, box.bottom), expression=expression)
            for identity, box, expression in zip(ids, boxes, named or [{}] * len(boxes), strict=True)
        ]
        return Faces(time_ms=round(frame.time_ms), width=width, height=height, faces=faces)

    def _expressions(self, image: Image, boxes: Sequence[Box]) -> list[Branch]:
        if not boxes:
            return []
        return self._runtime.faces(np.stack([crop_face(image, box) for box in boxes])).result()

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance."""
        with self._lock:
            return Seen(self._faces.utterance(start_ms, end_ms), self._scenes.utterance(start_ms, end_ms))


class Vision:
    """One thread analyzes a session's pictures; sound never waits for it.

    Live, the newest picture replaces one that still waits, which is counted. Otherwise every admitted picture
    is analyzed, and whoever pushes waits while a few are in line, so that results repeat exactly.

    Args:
        failed: told, in the vision thread, why a picture could not be analyzed.
    """

    def __init__(
        self,
        analyzer: FaceAnalyzer,
        settings: VisionSettings,
        emit: Callable[[Faces], None],
        failed: Callable[[Exception], None],
        *,
        live: bool,
    ) -> None:
        self._analyzer, self._emit, self._failed, self._live = analyzer, emit, failed, live
        self._rate = FrameRate(settings.max_fps, settings.processor_share if live else None)
        self._changed = threading.Condition()
        self._waiting: deque[VideoFrame] = deque()
        self._busy = self._closed = False
        self._analyzed = self._skipped = 0
        self._thread = threading.Thread(target=self._work, name="vision", daemon=True)
        self._thread.start()

    def push(self, frame: VideoFrame) -> None:
        """Offer the next picture; whether it is looked at depends on how long ago the last was."""
        with self._changed:
            if self._closed or not self._rate.admits(frame.time_ms):
                return
            if self._live:
                self._skipped += len(self._waiting)
                self._waiting.clear()
            else:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < _IN_LINE)
            self._waiting.append(frame)
            self._changed.notify_all()

    def between(self, start_ms: float, end_ms: float) -> Seen:
        """Return what was seen of an utterance; not live, pictures in line come first."""
        if not self._live:
            with self._changed:
                self._changed.wait_for(lambda: not self._waiting and not self._busy)
        return self._analyzer.between(start_ms, end_ms)

    @property
    def counts(self) -> VisionCounts:
        """Return what was done so far."""
        with self._changed:
            return VisionCounts(self._analyzed, self._skipped)

    def close(self) -> None:
        """Finish what waits and stop; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_STOP_TIMEOUT_S)

    def _work(self) -> None:
        while (frame := self._next()) is not None:
            start = time.perf_counter()
            try:
                self._emit(self._analyzer.analyze(frame))
            except Exception as error:  # noqa: BLE001 - one bad picture must not end the session's vision
                self._failed(error)
            self._done((time.perf_counter() - start) * 1000)

    def _next(self) -> VideoFrame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _done(self, cost_ms: float) -> None:
        with self._changed:
            self._busy = False
            self._analyzed += 1
            self._rate.spent(cost_ms)
            self._changed.notify_all()
