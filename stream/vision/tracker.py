"""Face ids that stay with a face while it is in view: pure, boxes in, ids out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.media.geometry import Box

_MIN_IOU: Final = 0.2
_MAX_SHIFT: Final = 0.8  # of the face's width: at 5 frames a second a head can leave its box
_FORGET_MS: Final = 2_000.0


@dataclass(frozen=True)
class FaceTrack:
    """A face seen before."""

    id: int
    box: Box
    seen_ms: float


def similarity(old: Box, new: Box) -> float:
    """Return how likely two boxes are the same face: above 0 is possible, higher is likelier."""
    overlap = old.iou(new)
    if overlap >= _MIN_IOU:
        return 1 + overlap
    dx = (old.left + old.right - new.left - new.right) / 2
    dy = (old.top + old.bottom - new.top - new.bottom) / 2
    size = max(old.width, new.width, 1.0)
    shift = (dx * dx + dy * dy) ** 0.5 / size
    alike = min(old.width, new.width) / size
    return (1 - shift / _MAX_SHIFT) * alike if shift < _MAX_SHIFT else 0.0


class FaceTracker:
    """Matches the boxes of each frame with those before it, the likeliest pairs first."""

    def __init__(self) -> None:
        self._tracks: list[FaceTrack] = []
        self._next = 0

    def update(self, time_ms: float, boxes: Sequence[Box]) -> list[int]:
        """Return the id of each box; a box that matches nothing gets a new one."""
        recent = [track for track in self._tracks if time_ms - track.seen_ms <= _FORGET_MS]
        ids = self._match(recent, boxes)
        now = [FaceTrack(identity, box, time_ms) for identity, box in zip(ids, boxes, strict=True)]
        taken = set(ids)
        self._tracks = now + [track for track in recent if track.id not in taken]
        return ids

    def _match(self, tracks: Sequence[FaceTrack], boxes: Sequence[Box]) -> list[int]:
        pairs = sorted(
            ((similarity(track.box, box), track.id, index) for track in tracks for index, box in enumerate(boxes)),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        assigned: dict[int, int] = {}
        used: set[int] = set()
        for score, identity, index in pairs:
            if score > 0 and index not in assigned and identity not in used:
                assigned[index] = identity
                used.add(identity)
        return [assigned[index] if index in assigned else self._new_id() for index in range(len(boxes))]

    def _new_id(self) -> int:
        self._next += 1
        return self._next
