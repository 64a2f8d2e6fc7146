import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.vision.face_finder import CUT, DetectionPlan, difference


def grey(level: int, width: int = 64) -> np.ndarray:
    return np.full((36, width), level, np.uint8)


def decide(plan: DetectionPlan, before: np.ndarray, now: np.ndarray, faces: int = 1) -> bool:
    """Ask, and do as told."""
    searches = plan.searches(before, now, faces)
    plan.searched() if searches else plan.followed()
    return searches


def test_one_of_so_many_frames_is_searched() -> None:
    plan = DetectionPlan(3)
    plan.searched()
    assert [decide(plan, grey(9), grey(9)) for _ in range(6)] == [False, False, True, False, False, True]


def test_a_cut_is_searched_and_a_change_of_light_is_none() -> None:
    plan = DetectionPlan(9)
    assert not plan.searches(grey(100), grey(100 + int(CUT)), 1)
    assert plan.searches(grey(100), grey(101 + int(CUT)), 1)


def test_while_no_face_is_known_every_frame_is_searched() -> None:
    assert DetectionPlan(9).searches(grey(9), grey(9), 0)


def test_a_frame_of_another_size_is_searched() -> None:
    assert DetectionPlan(9).searches(grey(9), grey(9, width=80), 1)


@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2)), max_size=40))
def test_no_more_than_every_minus_one_frames_in_a_row_are_followed(every: int, frames: list[tuple[int, int]]) -> None:
    plan, row, before = DetectionPlan(every), 0, grey(0)
    for level, faces in frames:
        now = grey(level)
        row = 0 if decide(plan, before, now, faces) else row + 1
        assert row < every
        before = now


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_difference_is_in_grey_levels(one: int, other: int) -> None:
    assert difference(grey(one), grey(other)) == abs(one - other)


def test_where_nobody_hurries_frames_without_faces_are_searched_like_others() -> None:
    plan = DetectionPlan(3, eager=False)
    plan.searched()
    assert [decide(plan, grey(9), grey(9), 0) for _ in range(6)] == [False, False, True, False, False, True]
    assert plan.searches(grey(0), grey(200), 0), "a cut"
