"""Faces in the pictures of one participant: found, followed, and named by expression as frames arrive."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.face_image import crop_face
from models.faces import Detection, weighted_faces
from models.runtime.runtime import Runtime
from stream.events import FaceBox, Faces
from stream.face_timeline import FaceTimeline
from stream.media import Image, VideoFrame
from stream.rate import FrameRate
from stream.settings import VisionSettings
from stream.tracker import FaceTracker

Floats = npt.NDArray[np.float32]

_STOP_TIMEOUT_S: Final = 5.0


class Detector(Protocol):
    """What finds faces: :class:`models.faces.FaceDetector`."""

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces of an RGB picture."""


@dataclass(frozen=True)
class VisionCounts:
    """How many pictures were analyzed, and how many arrived while the one before was still in work."""

    analyzed: int = 0
    skipped: int = 0


class FaceAnalyzer:
    """Turns a picture into a ``faces`` event, and keeps its face vector for the utterance it belongs to."""

    def __init__(self, detector: Detector, runtime: Runtime) -> None:
        self._detector, self._runtime = detector, runtime
        self._tracker = FaceTracker()
        self._timeline = FaceTimeline()
        self._lock = threading.Lock()

    def analyze(self, frame: VideoFrame) -> Faces:
        """Detect, follow and embed the faces of one picture."""
        height, width = frame.image.shape[:2]
        boxes = [found.box for found in self._detector.detect(frame.image)]
        ids = self._tracker.update(frame.time_ms, boxes)
        branches = []
        if boxes:
            crops = np.stack([crop_face(frame.image, box) for box in boxes])
            branches = self._runtime.faces(crops).result()
        vector = weighted_faces([branch.embedding for branch in branches], boxes) if branches else None
        with self._lock:
            self._timeline.add(frame.time_ms, vector)
        faces = [
            FaceBox(
                id=identity,
                box=(box.left, box.top, box.right, box.bottom),
                expression=dict(zip(self._runtime.labels, map(float, branch.probabilities), strict=True)),
            )
            for identity, box, branch in zip(ids, boxes, branches, strict=True)
        ]
        return Faces(time_ms=round(frame.time_ms), width=width, height=height, faces=faces)

    def face_between(self, start_ms: float, end_ms: float) -> Floats | None:
        """Return the face vector of an utterance, None if no face was seen."""
        with self._lock:
            return self._timeline.utterance(start_ms, end_ms)


class Vision:
    """Offline: every admitted picture is analyzed before the call returns, so results repeat exactly."""

    def __init__(self, analyzer: FaceAnalyzer, settings: VisionSettings, emit: Callable[[Faces], None]) -> None:
        self.analyzer, self._emit = analyzer, emit
        self._rate = FrameRate(settings.max_fps, None)
        self._analyzed = 0

    def push(self, frame: VideoFrame) -> None:
        """Take the next picture."""
        if self._rate.admits(frame.time_ms):
            self._emit(self.analyzer.analyze(frame))
            self._analyzed += 1

    @property
    def counts(self) -> VisionCounts:
        """Return what was done so far."""
        return VisionCounts(self._analyzed)

    def close(self) -> None:
        """Nothing runs beside the caller."""


class LiveVision:
    """Live: one thread works on the newest picture; sound never waits for it.

    Args:
        failed: told, in the vision thread, why a picture could not be analyzed.
    """

    def __init__(
        self,
        analyzer: FaceAnalyzer,
        settings: VisionSettings,
        emit: Callable[[Faces], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.analyzer, self._emit, self._failed = analyzer, emit, failed
        self._rate = FrameRate(settings.max_fps, settings.processor_share)
        self._ready = threading.Condition()
        self._newest: VideoFrame | None = None
        self._stopped = False
        self._analyzed = self._skipped = 0
        self._thread = threading.Thread(target=self._work, name="vision", daemon=True)
        self._thread.start()

    def push(self, frame: VideoFrame) -> None:
        """Offer the next picture; one still waiting is replaced and counted."""
        with self._ready:
            if self._rate.admits(frame.time_ms):
                self._skipped += self._newest is not None
                self._newest = frame
                self._ready.notify()

    @property
    def counts(self) -> VisionCounts:
        """Return what was done so far."""
        with self._ready:
            return VisionCounts(self._analyzed, self._skipped)

    def close(self) -> None:
        """Finish the picture in work and stop; safe to call twice."""
        with self._ready:
            self._stopped = True
            self._ready.notify()
        self._thread.join(_STOP_TIMEOUT_S)

    def _next(self) -> VideoFrame | None:
        with self._ready:
            self._ready.wait_for(lambda: self._stopped or self._newest is not None)
            frame, self._newest = self._newest, None
            return frame

    def _work(self) -> None:
        while (frame := self._next()) is not None:
            start = time.perf_counter()
            try:
                self._emit(self.analyzer.analyze(frame))
            except Exception as error:  # noqa: BLE001 - one bad picture must not end the session's vision
                self._failed(error)
            with self._ready:
                self._analyzed += 1
                self._rate.spent((time.perf_counter() - start) * 1000)
