"""What one frame shows: faces found or followed, numbered and named by expression; and what all of them showed.

What is seen of an utterance is the face of whoever speaks, where that can be told (:mod:`stream.vision.speaking_face`);
else all faces, weighted by their area, as the paper has it (section 3.2.3).
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.media.face_image import crop_face
from models.media.geometry import Box
from models.networks.faces import over_frames, weighted_faces
from models.runtime.runtime import Branch, Runtime
from stream.media import AudioChunk, Image, VideoFrame
from stream.vision.delays import TOGETHER_MS, Delays
from stream.vision.face_finder import Detector, FaceFinder
from stream.vision.frame_timeline import FrameTimeline
from stream.vision.mouths import Motions, MouthTimeline, MouthWatch
from stream.vision.speaking_face import UNTOLD, Speaking, evidence
from stream.vision.tracker import FaceTracker
from wire.events import FaceBox, Faces

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FaceVectors:
    """The face vectors of one frame: each face's by its id, and all as one; ``(dim,)`` each."""

    each: Mapping[int, Floats]
    together: Floats | None


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of an utterance: its face and scene vectors ``(dim,)``, None where there is none.

    Attributes:
        speaking: the id of the face that spoke, whose vector it is; None where that is not told.
    """

    face: Floats | None
    scene: Floats | None
    speaking: int | None = None


@dataclass(frozen=True, eq=False)
class Analyzed:
    """What one frame shows, and whether its faces were followed instead of searched for."""

    time_ms: float
    faces: Faces
    vectors: FaceVectors
    scene: Floats | None
    mouths: Motions
    followed: bool


class FaceAnalyzer:
    """Turns a frame into a ``faces`` event, and remembers what is kept of it for the utterance it belongs to.

    Args:
        detect_every: search for faces in one of so many frames at least.
        eager: search also wherever the frame before had no face.
        speaking_face: tell which face speaks.
        apart_ms: how far sound and picture may be apart, as a deviation.
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
        speaking_face: bool = True,
        apart_ms: float = TOGETHER_MS,
        session: str = "",
        deadline_ms: float | None = None,
    ) -> None:
        self.deadline_ms = deadline_ms
        self.tells_speakers = speaking_face
        self._runtime, self._session = runtime, session
        self._delays = Delays.within(apart_ms)
        self._finder = FaceFinder(detector, detect_every, eager=eager)
        self._tracker, self._mouth_watch = FaceTracker(), MouthWatch()
        self._faces: FrameTimeline[FaceVectors] = FrameTimeline()
        self._scenes: FrameTimeline[Floats | None] = FrameTimeline()
        self._mouths = MouthTimeline()
        self._lock = threading.Lock()

    def analyze(self, frame: VideoFrame, between: Sequence[VideoFrame] = ()) -> Analyzed:
        """Find, follow and embed the faces of one frame; :meth:`keep` then remembers it.

        Whatever goes wrong, nothing of the frame is left, and the next one is searched.

        Args:
            frame: the one to be analyzed.
            between: those since the one analyzed before, in which only mouths are looked at.

        Raises:
            DeadlineExceededError: it had to wait for a network for too long.
        """
        try:
            return self._analyze(frame, between)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Search the next frame, whatever was known of this one."""
        self._finder.forget()
        self._mouth_watch.forget()

    def keep(self, analyzed: Analyzed) -> None:
        """Remember what a frame shows, for the utterance it belongs to."""
        with self._lock:
            self._faces.add(analyzed.time_ms, analyzed.vectors)
            self._scenes.add(analyzed.time_ms, analyzed.scene)
            self._mouths.add(analyzed.mouths)

    def during(self, sound: AudioChunk) -> Seen:
        """Return what was seen of an utterance, given its sound."""
        start_ms, end_ms = sound.time_ms, sound.end_ms
        with self._lock:
            vectors, scenes = self._faces.during(start_ms, end_ms), self._scenes.during(start_ms, end_ms)
            motions = self._mouths.during(start_ms, end_ms)
        speaking = self._speaking(motions, sound) if self.tells_speakers else UNTOLD
        return Seen(_strongest(_of_speaker(vectors, speaking)), _strongest(scenes), speaking.face)

    def _speaking(self, motions: Motions, sound: AudioChunk) -> Speaking:
        """Return which face speaks, and learn how late the sound comes; for one thread at a time."""
        delays, found = self._delays.before(sound.time_ms), evidence(motions, sound)
        self._delays = delays.after(sound.time_ms, found.of_delays)
        return found.speaking(delays)

    def _analyze(self, frame: VideoFrame, between: Sequence[VideoFrame]) -> Analyzed:
        height, width = frame.image.shape[:2]
        scene = self._runtime.scene(frame.image, session=self._session, deadline_ms=self.deadline_ms)
        found = self._finder.find(frame.image)
        boxes = found.boxes
        branches = self._expressions(frame.image, boxes)
        whole = scene.result()
        ids = self._tracker.update(frame.time_ms, boxes)
        told = Faces(time_ms=round(frame.time_ms), width=width, height=height, faces=self._told(ids, boxes, branches))
        return Analyzed(
            frame.time_ms,
            told,
            _vectors(ids, boxes, branches),
            None if whole is None else whole.embedding,
            self._moved(between, frame, dict(zip(ids, boxes, strict=True))),
            found.followed,
        )

    def _expressions(self, image: Image, boxes: Sequence[Box]) -> list[Branch]:
        if not boxes:
            return []
        crops = np.stack([crop_face(image, box) for box in boxes])
        return self._runtime.faces(crops, session=self._session, deadline_ms=self.deadline_ms).result()

    def _told(self, ids: Sequence[int], boxes: Sequence[Box], branches: Sequence[Branch]) -> list[FaceBox]:
        named = [dict(zip(self._runtime.labels, map(float, branch.probabilities), strict=True)) for branch in branches]
        return [
            FaceBox(id=identity, box=(box.left, box.top, box.right, box.bottom), expression=expression)
            for identity, box, expression in zip(ids, boxes, named or [{}] * len(boxes), strict=True)
        ]

    def _moved(self, between: Sequence[VideoFrame], frame: VideoFrame, boxes: Mapping[int, Box]) -> Motions:
        return self._mouth_watch.measure(between, frame, boxes) if self.tells_speakers else {}


def _vectors(ids: Sequence[int], boxes: Sequence[Box], branches: Sequence[Branch]) -> FaceVectors:
    if not branches:
        return FaceVectors({}, None)
    embeddings = [branch.embedding for branch in branches]
    return FaceVectors(dict(zip(ids, embeddings, strict=True)), weighted_faces(embeddings, boxes))


def _of_speaker(frames: Sequence[FaceVectors], speaking: Speaking) -> list[Floats | None]:
    """Return of each frame the vector of the face that speaks, of all where that can't be told."""
    if speaking.nobody:
        return []
    if speaking.face is None:
        return [frame.together for frame in frames]
    return [frame.each.get(speaking.face) for frame in frames]


def _strongest(vectors: Sequence[Floats | None]) -> Floats | None:
    """Return the maximum over those frames that have a vector, None if there is none."""
    seen = [vector for vector in vectors if vector is not None]
    return over_frames(seen) if seen else None
