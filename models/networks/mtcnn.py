"""MTCNN's cascade: what its three networks say of an image, made boxes of faces, as facenet-pytorch does it.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016). The first
network looks at the whole image in several sizes, the second and third look closer at what it proposes. Boxes are
``(faces, 4)`` float32: left, top, right and bottom in pixels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Sums = npt.NDArray[np.int32]

DetectionName = Literal["pnet", "rnet", "onet"]
DETECTION: Final[tuple[DetectionName, ...]] = get_args(DetectionName)
"""MTCNN's three networks, each on its own: a proposal, a refinement and an output network."""

DetectionNetworks = Mapping[DetectionName, Callable[[Floats], Sequence[Floats]]]
"""What computes each network: ``(batch, 3, height, width)`` in, its outputs in the order it has them."""

_CELL: Final = 12  # pixels a side that one place of the first network's output sees
_STRIDE: Final = 2
_SHRINKING: Final = 0.709  # from one size of the image to the next
_THRESHOLDS: Final = (0.6, 0.7, 0.7)
_OVERLAPS: Final = (0.5, 0.7, 0.7)
_SIDES: Final[Mapping[DetectionName, int]] = {"rnet": 24, "onet": 48}
_MOST: Final = 512  # patches that a network is given at once


@dataclass(frozen=True, eq=False)
class Found:
    """Boxes, how sure each is ``(faces,)``, the image that it is in ``(faces,)``, and corrections ``(faces, 4)``."""

    boxes: Floats
    scores: Floats
    images: Ints
    corrections: Floats

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return several one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))

    def of(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Self:
        """Return some of them."""
        return type(self)(*(getattr(self, name)[rows] for name in _FIELDS))


_FIELDS: Final = ("boxes", "scores", "images", "corrections")


def find_faces(
    images: npt.NDArray[np.uint8], networks: DetectionNetworks, smallest: int
) -> list[tuple[Floats, Floats]]:
    """Return the boxes of each image's faces and how sure each is, ``(faces, 4)`` and ``(faces,)``.

    Args:
        images: ``(batch, height, width, 3)`` RGB.
        networks: compute the three networks.
        smallest: pixels a side of the smallest face that is looked for.
    """
    sums = np.stack([cv2.integral(image) for image in images]).astype(np.int32, copy=False)
    found = _proposed(sums, networks["pnet"], smallest)
    if len(found.boxes):
        found = _refined(sums, found, networks["rnet"])
    if len(found.boxes):
        found = _confirmed(sums, found, networks["onet"])
    rows = [np.flatnonzero(found.images == image) for image in range(len(images))]
    return [(found.boxes[own], found.scores[own]) for own in rows]


def _proposed(sums: Sums, pnet: Callable[[Floats], Sequence[Floats]], smallest: int) -> Found:
    whole = np.array([[0, 0, sums.shape[2] - 1, sums.shape[1] - 1]])
    width, height = whole[0, 2:].tolist()
    parts = []
    for scale in _scales(min(height, width), smallest):
        shape = int(height * scale + 1), int(width * scale + 1)
        regression, scores = pnet(_resized(sums, np.arange(len(sums)), whole, *shape))
        part = _boxes(regression, scores[:, 1], scale)
        parts.append(part.of(suppressed(part, _OVERLAPS[0])))
    if not parts:
        return _boxes(np.zeros((1, 4, 0, 0), np.float32), np.zeros((1, 0, 0), np.float32), 1.0)
    found = Found.joined(parts)
    found = found.of(suppressed(found, _OVERLAPS[1]))
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    corrected = found.boxes + found.corrections * np.tile(sides, 2)
    return Found(_square(corrected), found.scores, found.images, found.corrections)


def _scales(side: int, smallest: int) -> Iterator[float]:
    scale = _CELL / smallest
    side_there = side * scale
    while side_there >= _CELL:
        yield scale
        scale, side_there = scale * _SHRINKING, side_there * _SHRINKING


def _boxes(regression: Floats, scores: Floats, scale: float) -> Found:
    """Return a box for each place ``(batch, rows, columns)`` of the first network's output that may be a face."""
    image, row, column = np.nonzero(scores >= _THRESHOLDS[0])
    corner = np.stack([column, row], axis=1).astype(np.float32) * _STRIDE
    boxes = np.floor(np.concatenate([corner + 1, corner + _CELL], axis=1) / np.float32(scale))
    return Found(boxes, scores[image, row, column], image, regression[image, :, row, column])


def _refined(sums: Sums, found: Found, rnet: Callable[[Floats], Sequence[Floats]]) -> Found:
    regression, scores = _looked_at(sums, found, rnet, _SIDES["rnet"])
    passed = scores[:, 1] > _THRESHOLDS[1]
    sure = Found(found.boxes, scores[:, 1], found.images, regression).of(passed)
    sure = sure.of(suppressed(sure, _OVERLAPS[1]))
    return Found(_square(_moved(sure)), sure.scores, sure.images, sure.corrections)


def _confirmed(sums: Sums, found: Found, onet: Callable[[Floats], Sequence[Floats]]) -> Found:
    regression, _, scores = _looked_at(sums, found, onet, _SIDES["onet"])
    passed = scores[:, 1] > _THRESHOLDS[2]
    sure = Found(found.boxes, scores[:, 1], found.images, regression).of(passed)
    moved = Found(_moved(sure), sure.scores, sure.images, sure.corrections)
    return moved.of(suppressed(moved, _OVERLAPS[2], of_smaller=True))


def _looked_at(sums: Sums, found: Found, network: Callable[[Floats], Sequence[Floats]], side: int) -> list[Floats]:
    """Return what a network says of what is in each box."""
    edges = np.trunc(found.boxes).astype(np.int64)
    height, width = sums.shape[1] - 1, sums.shape[2] - 1
    first = (edges[:, :2] - 1).clip(0, (width, height))
    inside = np.concatenate([first, edges[:, 2:].clip(first, (width, height))], axis=1)
    patches = _resized(sums, found.images, inside, side, side)
    parts = [network(patches[start : start + _MOST]) for start in range(0, len(patches), _MOST)]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _resized(sums: Sums, images: Ints, boxes: Ints, height: int, width: int) -> Floats:
    """Return what the networks take of boxes of images, ``(boxes, 3, height, width)`` around 0.

    Each pixel is the mean of those that it covers, of which the sums ``(images, height + 1, width + 1, 3)`` of all
    above and left tell the sum; they may run over, their differences do not. A box has whole edges ``(boxes, 4)``.
    """
    left, top, right, bottom = boxes.T[..., None]
    upper, lower = (part[:, :, None] for part in _parts(top, bottom, height))
    before, after = (part[:, None] for part in _parts(left, right, width))
    image = images[:, None, None]
    low, high = (sums[image, row, after] - sums[image, row, before] for row in (lower, upper))
    covered = ((lower - upper) * (after - before))[..., None]
    means = (low - high).astype(np.float32) / covered.clip(min=1).astype(np.float32)  # of nothing, if it is outside
    return np.ascontiguousarray(((means - np.float32(127.5)) * np.float32(0.0078125)).transpose(0, 3, 1, 2))


def _parts(begin: Ints, end: Ints, count: int) -> tuple[Ints, Ints]:
    """Return where ``count`` parts of a line begin and end, ``(boxes, count)`` each; neighbours share a pixel."""
    places, length = np.arange(count), end - begin
    return begin + places * length // count, begin - (-(places + 1) * length // count)


def _moved(found: Found) -> Floats:
    sides = found.boxes[:, 2:] - found.boxes[:, :2] + 1
    return found.boxes + found.corrections * np.tile(sides, 2)


def _square(boxes: Floats) -> Floats:
    """Return squares around the same centres, as large as the longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([corners, corners + longer], axis=1)


def suppressed(found: Found, overlap: float, *, of_smaller: bool = False) -> Ints:
    """Return the rows that stay, the surest first: those that overlap a surer one of their image too much do not.

    The overlap is the shared area's part of both together; ``of_smaller``, of the smaller one, whose sides count a
    pixel more.
    """
    order = np.argsort(-found.scores, kind="stable")
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        shares = _overlaps(found.boxes[first], found.boxes[order], of_smaller=of_smaller)
        order = order[(found.images[order] != found.images[first]) | (shares <= overlap)]
    return np.array(kept, np.int64)


def _overlaps(box: Floats, others: Floats, *, of_smaller: bool) -> Floats:
    more = np.float32(of_smaller)
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + more
    shared = sides.clip(min=0).prod(axis=1)
    own, areas = (box[2:] - box[:2] + more).prod(), (others[:, 2:] - others[:, :2] + more).prod(axis=1)
    whole = np.minimum(own, areas) if of_smaller else own + areas - shared
    shares: Floats = shared / whole
    return shares
