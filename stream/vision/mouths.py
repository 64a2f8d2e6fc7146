"""The mouths of one participant's faces: measured in the frames between those that are analyzed, and remembered."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from models.media.geometry import Box
from stream.media import Image, VideoFrame
from stream.vision.mouth_motion import MouthMotion, face_patch, mouth_motion

MOST_BETWEEN: Final = 12
"""Frames between two analyzed ones that mouths are measured in: the newest."""

_MOST_FACES: Final = 4  # measured in a frame, the largest: one that speaks to the camera is hardly further back
_SMALLEST: Final = 36.0  # pixels a side of a face in a coarse image: of smaller ones the flow is noise
_LONGEST_MS: Final = 250.0  # from one frame to the next: in a longer time a mouth opens and closes
_KEPT_MS: Final = 120_000.0

Motions = Mapping[int, Sequence[MouthMotion]]
"""By the ids of faces, in the order of time."""


@dataclass(frozen=True, eq=False)
class _Located:
    """A frame, coarse, and where its faces are there, by their ids."""

    time_ms: float
    image: Image
    boxes: Mapping[int, Box]

    @classmethod
    def of(cls, frame: VideoFrame, boxes: Mapping[int, Box]) -> Self:
        """Return a frame, given where its faces are in it as it is."""
        image = frame.coarse
        scale = image.shape[1] / frame.image.shape[1]
        return cls(frame.time_ms, image, {face: box.scaled(scale) for face, box in boxes.items()})

    def towards(self, later: "_Located", time_ms: float) -> dict[int, Box]:
        """Return where the faces that are also in a later frame are at a time between, the largest of them."""
        share = (time_ms - self.time_ms) / (later.time_ms - self.time_ms)
        there = {
            face: _between(box, later.boxes[face], share) for face, box in self.boxes.items() if face in later.boxes
        }
        near = [face for face, box in there.items() if max(box.width, box.height) >= _SMALLEST]
        return {face: there[face] for face in sorted(near, key=lambda face: -there[face].area)[:_MOST_FACES]}


class MouthWatch:
    """Measures how mouths move, from each frame to the next; given all analyzed frames in order of time."""

    def __init__(self) -> None:
        self._before: _Located | None = None

    def forget(self) -> None:
        """Measure nothing up to the next frame: what became of this one is not kept."""
        self._before = None

    def measure(self, between: Sequence[VideoFrame], frame: VideoFrame, boxes: Mapping[int, Box]) -> Motions:
        """Return how the mouths moved since the frame analyzed before.

        Args:
            between: the frames since then, in order of time.
            frame: the one that was analyzed.
            boxes: where its faces are, by their ids.
        """
        now = _Located.of(frame, boxes)
        before, self._before = self._before, now
        if before is None or before.time_ms >= now.time_ms or not before.towards(now, now.time_ms):
            return {}  # before anything is decoded for it
        found: dict[int, list[MouthMotion]] = {}
        for face, motion in _motions(before, between, now):
            found.setdefault(face, []).append(motion)
        return found


class MouthTimeline:
    """What the mouths did, by the ids of their faces; what is long past is forgotten."""

    def __init__(self) -> None:
        self._motions: dict[int, deque[MouthMotion]] = {}

    def add(self, motions: Motions) -> None:
        """Note what was measured last."""
        for face, new in motions.items():
            self._motions.setdefault(face, deque()).extend(new)
        newest_ms = max((new[-1].end_ms for new in motions.values()), default=0.0)
        for face, known in list(self._motions.items()):
            while known and known[0].end_ms < newest_ms - _KEPT_MS:
                known.popleft()
            if not known:
                del self._motions[face]

    def during(self, start_ms: float, end_ms: float) -> Motions:
        """Return what they did between two media times."""
        found = {
            face: [motion for motion in known if motion.start_ms >= start_ms and motion.end_ms <= end_ms]
            for face, known in self._motions.items()
        }
        return {face: motions for face, motions in found.items() if motions}


def _motions(before: _Located, between: Sequence[VideoFrame], now: _Located) -> Iterator[tuple[int, MouthMotion]]:
    """Yield each face's motions from frame to frame."""
    for (start_ms, start), (end_ms, end) in pairwise(_images(before, between, now)):
        if start.shape != end.shape or end_ms - start_ms > _LONGEST_MS:
            continue
        for face, box in before.towards(now, (start_ms + end_ms) / 2).items():
            yield face, mouth_motion(face_patch(start, box), face_patch(end, box), start_ms, end_ms)


def _images(before: _Located, between: Sequence[VideoFrame], now: _Located) -> Iterator[tuple[float, Image]]:
    """Yield the images and their times, each later than the one before; what can't be decoded is left out."""
    yield before.time_ms, before.image
    last_ms = before.time_ms
    for frame in between:
        if last_ms < frame.time_ms < now.time_ms and (image := _image(frame)) is not None:
            yield frame.time_ms, image
            last_ms = frame.time_ms
    yield now.time_ms, now.image


def _image(frame: VideoFrame) -> Image | None:
    try:
        return frame.coarse
    except ValueError:
        return None


def _between(one: Box, other: Box, share: float) -> Box:
    edges = ((one.left, other.left), (one.top, other.top), (one.right, other.right), (one.bottom, other.bottom))
    left, top, right, bottom = (first + (second - first) * share for first, second in edges)
    return Box(left, top, right, bottom)
