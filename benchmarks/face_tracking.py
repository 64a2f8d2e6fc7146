"""Faces followed between searches, compared with a search in every frame: what is saved, and what is lost.

    python benchmarks/face_tracking.py CLIP... [--every N ...] [--fps N]

Every clip is looked at as live, at most ``--fps`` frames a second. The last row of each ``--every`` is of the clips
cut together in pieces of seven frames, so that it has a cut every second or two. A face counts as lost when it was
found by a search of that frame and no followed box overlaps it by ``LOST``, and as lost at a cut when that happens
in the first frame of a piece. Times are of the processor.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.console import Console
from written import script_parser

from models.face_settings import FaceSettings
from models.media.geometry import Box
from models.networks.faces import Detection, FaceDetector
from models.networks.mtcnn_networks import detection_networks, in_torch
from stream.media import Image, VideoFrame
from stream.sources.file import FileSource
from stream.vision.face_finder import FaceFinder
from stream.vision.frame_rate import FrameRate
from trainer.evaluation.text_tables import terminal_table

LOST: Final = 0.3
PIECE: Final = 7
SIZE: Final = (640, 360)


@dataclass(frozen=True, eq=False)
class Searched:
    """A frame, the faces a search of it finds, what the search cost, and whether the frame follows a cut."""

    image: Image
    faces: list[Detection]
    cost_ms: float
    cut: bool = False


class Known:
    """A detector whose results are known."""

    def __init__(self) -> None:
        self.next: Searched | None = None
        self.searches = 0
        self.cost_ms = 0.0

    def detect(self, image: Image) -> list[Detection]:
        """Return what a search of the frame found."""
        assert self.next is not None  # noqa: S101 - set before every frame
        assert self.next.image is image  # noqa: S101
        self.searches += 1
        self.cost_ms += self.next.cost_ms
        return self.next.faces


@dataclass
class Score:
    """How followed frames compare with searched ones."""

    frames: int = 0
    followed: int = 0
    ious: list[float] = field(default_factory=list)
    lost: int = 0
    lost_at_cuts: int = 0
    extra: int = 0
    cost_ms: float = 0.0
    full_ms: float = 0.0

    def note(self, searched: Searched, boxes: Sequence[Box]) -> None:
        """Compare the boxes of a followed frame with those of a search."""
        self.followed += 1
        found = [face.box for face in searched.faces]
        best = [max((box.iou(other) for other in boxes), default=0.0) for box in found]
        lost = sum(iou < LOST for iou in best)
        self.ious += [iou for iou in best if iou >= LOST]
        self.lost += lost
        self.lost_at_cuts += lost if searched.cut else 0
        self.extra += sum(max((box.iou(other) for other in found), default=0.0) < LOST for box in boxes)


def frames(path: Path, fps: float) -> Iterator[Image]:
    """Yield the frames of a file that would be analyzed."""
    source, rate = FileSource(path, max_fps=2 * fps), FrameRate(fps, None)
    source.start()
    while (item := source.read()) is not None:
        if isinstance(item, VideoFrame) and rate.admits(item.time_ms):
            yield item.image


def searched(images: Iterator[Image], detector: FaceDetector) -> list[Searched]:
    """Search every frame."""
    found = []
    for image in images:
        begun = time.process_time()
        faces = detector.detect(image)
        found.append(Searched(image, faces, (time.process_time() - begun) * 1000))
    return found


def spliced(clips: Sequence[Sequence[Searched]], detector: FaceDetector) -> list[Searched]:
    """Return the clips cut together in turns, piece by piece, in one size."""
    pieces = [[clip[start : start + PIECE] for start in range(0, len(clip), PIECE)] for clip in clips]
    row = [piece for round_ in zip_longest(*pieces, fillvalue=()) for piece in round_ if piece]
    images = [cv2.resize(each.image, SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8) for p in row for each in p]
    cuts = [index == 0 for piece in row for index in range(len(piece))]
    again = searched(iter(images), detector)
    return [Searched(each.image, each.faces, each.cost_ms, cut) for each, cut in zip(again, cuts, strict=True)]


def compare(clip: Sequence[Searched], every: int) -> Score:
    """Return how a clip fares when it is searched in one of ``every`` frames."""
    known, score = Known(), Score(frames=len(clip), full_ms=sum(each.cost_ms for each in clip))
    finder = FaceFinder(known, every)
    begun = time.process_time()
    for each in clip:
        known.next = each
        found = finder.find(each.image)
        if found.followed:
            score.note(each, found.boxes)
    score.cost_ms = (time.process_time() - begun) * 1000 + known.cost_ms
    return score


def row(name: str, every: int, score: Score) -> list[str]:
    """Return a row of the table."""
    ious = score.ious or [float("nan")]
    return [
        name,
        str(every),
        f"{score.followed} of {score.frames}",
        f"{np.mean(ious):.3f}",
        f"{np.percentile(ious, 10):.3f}",
        str(len(score.ious) + score.lost),
        str(score.lost),
        str(score.lost_at_cuts),
        str(score.extra),
        f"{score.cost_ms / score.frames:.0f} ms",
        f"{score.full_ms / score.frames:.0f} ms",
    ]


def main() -> None:
    """Compare and print the table."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("clips", nargs="+", type=Path, help="media files")
    parser.add_argument("--every", nargs="+", type=int, default=[2, 3, 5], help="search in one of so many (2 3 5)")
    parser.add_argument("--fps", type=float, default=5.0, help="frames a second (5)")
    options = parser.parse_args()
    detector = FaceDetector(FaceSettings(), in_torch(detection_networks()))
    clips = {path.name: searched(frames(path, options.fps), detector) for path in options.clips}
    clips["cut together"] = spliced(list(clips.values()), detector)
    rows = [row(name, every, compare(clip, every)) for every in options.every for name, clip in clips.items()]
    headings = ("clip", "every", "followed", "mean IoU", "p10", "faces", "lost", "at cuts", "extra", "cost", "full")
    table = terminal_table(headings, rows)
    Console(highlight=False).print(table)
    if options.write:
        options.write.write_figures([table], data=", ".join(path.name for path in options.clips))


if __name__ == "__main__":
    main()
