"""Faces that are followed between searches, in frames whose faces move as a test decides."""

import cv2
import numpy as np
import pytest

from models.media.geometry import Box
from models.networks.faces import Detection
from stream.media import Image
from stream.vision.face_finder import FaceFinder, small_grey
from stream.vision.optical_flow import follow

SIDE = 80


def blurred_noise(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


FACE, BACKGROUND, OTHER_FACE = (
    blurred_noise(SIDE, SIDE, 1),
    blurred_noise(240, 320, 2) // 3,
    blurred_noise(SIDE, SIDE, 3),
)


def frame(left: int, top: int = 60, face: np.ndarray = FACE, side: int = SIDE, scale: int = 1) -> Image:
    """Return a face somewhere before a background."""
    grey = BACKGROUND.copy()
    grey[top : top + side, left : left + side] = cv2.resize(face, (side, side))
    grey = cv2.resize(grey, None, fx=scale, fy=scale)
    return np.repeat(grey[:, :, None], 3, axis=2)


def box(left: int, top: int = 60, side: int = SIDE) -> Box:
    return Box(left, top, left + side, top + side)


class Detector:
    """Finds what it is told is there."""

    def __init__(self) -> None:
        self.there: list[Box] = []
        self.searches = 0

    def detect(self, _: Image) -> list[Detection]:
        self.searches += 1
        return [Detection(each, 1.0) for each in self.there]


@pytest.fixture
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize("left", [90, 100, 118])
def test_a_face_that_moves_is_followed(left: int) -> None:
    moved = follow(small_grey(frame(100)), small_grey(frame(left)), box(100))
    assert moved is not None
    assert moved.iou(box(left)) > 0.95


def test_a_face_that_comes_nearer_grows() -> None:
    moved = follow(small_grey(frame(100)), small_grey(frame(96, 56, side=SIDE + 8)), box(100))
    assert moved is not None
    assert moved.iou(box(96, 56, SIDE + 8)) > 0.95


def test_a_face_that_has_gone_or_is_another_is_given_up() -> None:
    nobody = np.repeat(BACKGROUND[:, :, None], 3, axis=2)
    for now in (nobody, frame(100, face=OTHER_FACE)):
        assert follow(small_grey(frame(100)), small_grey(now), box(100)) is None


def test_faces_are_searched_for_now_and_then_and_followed_in_between(detector: Detector) -> None:
    finder = FaceFinder(detector, 3)
    detector.there = [box(100)]
    found = [finder.find(frame(left)) for left in (100, 104, 108, 112)]
    assert [each.followed for each in found] == [False, True, True, False]
    assert found[2].boxes[0].iou(box(108)) > 0.95
    assert detector.searches == 2


def test_boxes_are_in_the_pixels_of_large_frames(detector: Detector) -> None:
    finder = FaceFinder(detector, 3)
    detector.there = [Box(400, 240, 720, 560)]
    finder.find(frame(100, scale=4))
    found = finder.find(frame(108, scale=4))
    assert found.followed
    assert found.boxes[0].iou(Box(432, 240, 752, 560)) > 0.95


def test_when_one_face_is_lost_all_are_searched_for_at_once(detector: Detector) -> None:
    finder = FaceFinder(detector, 9)
    detector.there = [box(100), box(0, 0)]
    finder.find(frame(100))
    found = finder.find(frame(100, face=OTHER_FACE))
    assert (found.followed, found.boxes) == (False, detector.there)


def test_a_search_that_fails_is_made_up_for_in_the_next_frame(detector: Detector) -> None:
    finder = FaceFinder(detector, 2)
    detector.there = [box(100)]
    finder.find(frame(100))
    finder.find(frame(100))
    detector.detect = lambda _: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        finder.find(frame(100))
    del detector.detect  # type: ignore[method-assign]
    assert not finder.find(frame(100)).followed


def test_the_same_frames_give_the_same_boxes(detector: Detector) -> None:
    detector.there = [box(100)]
    finders = [FaceFinder(detector, 4) for _ in range(2)]
    runs = [[finder.find(frame(left)) for left in range(100, 140, 5)] for finder in finders]
    assert runs[0] == runs[1]


def test_a_search_in_every_frame_follows_nothing(detector: Detector) -> None:
    finder = FaceFinder(detector, 1)
    assert not any(finder.find(frame(100)).followed for _ in range(3))
    assert detector.searches == 3
