from hypothesis import given
from hypothesis import strategies as st

from models.media.geometry import Box
from stream.vision.tracker import FaceTracker, similarity

coordinates = st.floats(0, 500, allow_nan=False)
boxes = st.builds(
    lambda left, top, width, height: Box(left, top, left + width, top + height),
    coordinates,
    coordinates,
    st.floats(1, 200),
    st.floats(1, 200),
)


def square(left: float, top: float, side: float = 100) -> Box:
    return Box(left, top, left + side, top + side)


def test_a_face_keeps_its_id_while_it_moves() -> None:
    tracker = FaceTracker()
    seen = [tracker.update(200.0 * step, [square(20 * step, 10)]) for step in range(20)]
    assert seen == [[1]] * 20


def test_two_faces_that_change_places_in_the_list_keep_their_ids() -> None:
    tracker = FaceTracker()
    assert tracker.update(0, [square(0, 0), square(300, 0)]) == [1, 2]
    assert tracker.update(200, [square(305, 0), square(5, 0)]) == [2, 1]


def test_a_face_that_was_away_for_a_moment_comes_back_with_its_id() -> None:
    tracker = FaceTracker()
    tracker.update(0, [square(0, 0)])
    assert tracker.update(1_000, []) == []
    assert tracker.update(1_500, [square(10, 0)]) == [1]


def test_a_face_that_was_away_for_long_is_a_new_one() -> None:
    tracker = FaceTracker()
    tracker.update(0, [square(0, 0)])
    assert tracker.update(10_000, [square(0, 0)]) == [2]


def test_a_jump_out_of_its_box_within_reach_is_the_same_face_and_beyond_it_a_new_one() -> None:
    tracker = FaceTracker()
    tracker.update(0, [square(0, 0)])
    assert tracker.update(200, [square(75, 0)]) == [1]
    assert tracker.update(400, [square(400, 0)]) == [2]


@given(st.lists(st.lists(boxes, max_size=6), max_size=8))
def test_ids_are_unique_within_a_frame(frames: list[list[Box]]) -> None:
    tracker = FaceTracker()
    for index, found in enumerate(frames):
        ids = tracker.update(200.0 * index, found)
        assert len(set(ids)) == len(ids) == len(found)


@given(boxes, boxes)
def test_similarity_is_symmetric(one: Box, other: Box) -> None:
    assert abs(similarity(one, other) - similarity(other, one)) < 1e-9
