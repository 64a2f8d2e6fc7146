import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.media.geometry import Box

SIDES = st.integers(-100, 100)
BOXES = st.builds(Box, SIDES, SIDES, SIDES, SIDES)


def test_the_size_of_a_box() -> None:
    box = Box(1, 2, 4, 8)
    assert (box.width, box.height, box.area) == (3, 6, 18)


def test_a_box_inside_out_is_empty() -> None:
    assert Box(4, 8, 1, 2).area == 0


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        (Box(0, 0, 4, 4), 1),
        (Box(2, 0, 6, 4), 8 / 24),
        (Box(1, 1, 3, 3), 4 / 16),
        (Box(4, 0, 8, 4), 0),
        (Box(9, 9, 9, 9), 0),
    ],
)
def test_intersection_over_union(other: Box, iou: float) -> None:
    assert Box(0, 0, 4, 4).iou(other) == pytest.approx(iou)


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_between_0_and_1(one: Box, other: Box) -> None:
    assert one.iou(other) == other.iou(one)
    assert 0 <= one.iou(other) <= 1
