import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import FACE, drawn, face_box

from models.media.geometry import Box
from stream.jpeg import JpegFrame, encode_jpeg
from stream.media import VideoFrame
from stream.vision.mouth_motion import MouthMotion
from stream.vision.mouths import MouthTimeline, MouthWatch

BOXES = {4: face_box(0), 9: face_box(1)}


def frame(time_ms: float, *openings: float) -> VideoFrame:
    return VideoFrame(time_ms, drawn(openings or (0.5, 0.5)))


def test_mouths_are_measured_from_each_frame_to_the_next() -> None:
    watch = MouthWatch()
    assert watch.measure([], frame(0, 0.2, 0.5), BOXES) == {}
    found = watch.measure([frame(40, 0.6, 0.5), frame(80, 0.9, 0.5)], frame(120, 0.3, 0.5), BOXES)
    assert [(each.start_ms, each.end_ms) for each in found[4]] == [(0, 40), (40, 80), (80, 120)]
    assert [each.opening > 0 for each in found[4]] == [True, True, False]
    assert [each.amount for each in found[9]] == pytest.approx([0, 0, 0], abs=1e-4)


def test_a_face_is_measured_where_it_is_on_its_way() -> None:
    watch, by = MouthWatch(), 8.0
    image, moved = drawn([0.2]), drawn([0.8], (by, 0))
    watch.measure([], VideoFrame(0, image), {1: face_box(0)})
    found = watch.measure([], VideoFrame(40, moved), {1: Box(by, 0, face_box(0).right + by, face_box(0).bottom)})
    assert found[1][0].opening > 0.01


def test_a_large_jpeg_is_looked_at_coarsely_and_its_faces_are_found_in_it() -> None:
    def large(*openings: float) -> np.ndarray:
        return drawn(openings).repeat(3, axis=0).repeat(3, axis=1)

    def jpeg(time_ms: float, *openings: float) -> JpegFrame:
        return JpegFrame(time_ms, encode_jpeg(large(*openings), 95))

    boxes = {4: Box(0, 0, 3 * FACE, 3 * FACE)}
    watches = MouthWatch(), MouthWatch()
    found = []
    for watch, make in zip(watches, (jpeg, lambda time_ms, *o: VideoFrame(time_ms, large(*o))), strict=True):
        watch.measure([], make(0, 0.2, 0.5), boxes)
        found.append(watch.measure([make(40, 0.8, 0.5)], make(80, 0.3, 0.5), boxes)[4])
    coarse, fine = found
    assert jpeg(0, 0.2, 0.5).coarse.shape == (FACE * 3 // 2, FACE * 3, 3)
    assert [each.opening for each in coarse] == pytest.approx([each.opening for each in fine], rel=0.2)


def test_only_faces_that_are_in_both_frames_and_large_enough_are_measured() -> None:
    watch = MouthWatch()
    watch.measure([], frame(0), {1: face_box(0), 2: face_box(1), 3: Box(0, 0, 30, 30)})
    found = watch.measure([], frame(40), {1: face_box(0), 3: Box(0, 0, 30, 30), 5: face_box(1)})
    assert set(found) == {1}


def test_after_a_frame_that_is_not_kept_nothing_is_measured_up_to_the_next() -> None:
    watch = MouthWatch()
    watch.measure([], frame(0), BOXES)
    watch.forget()
    assert watch.measure([frame(40)], frame(80), BOXES) == {}
    assert set(watch.measure([], frame(120), BOXES)) == {4, 9}


def test_what_is_far_apart_or_out_of_order_or_can_not_be_decoded_is_left_out() -> None:
    watch = MouthWatch()
    watch.measure([], frame(100), BOXES)
    found = watch.measure([frame(60), JpegFrame(140, b"nothing"), frame(180), frame(600)], frame(640), BOXES)
    assert [(each.start_ms, each.end_ms) for each in found[4]] == [(100, 180), (600, 640)]


def test_frames_of_another_size_are_not_compared() -> None:
    watch = MouthWatch()
    watch.measure([], frame(0), BOXES)
    assert watch.measure([], VideoFrame(40, np.zeros((300, 300, 3), np.uint8)), BOXES) == {}


def test_nothing_is_decoded_for_faces_that_are_too_small() -> None:
    watch, small = MouthWatch(), {1: Box(0, 0, 20, 20)}
    between = JpegFrame(40, b"nothing")
    watch.measure([], frame(0), small)
    assert watch.measure([between], frame(80), small) == {}
    assert between._decoded is None


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 400)), max_size=40), st.integers(0, 400), st.integers(0, 400)
)
def test_an_utterance_has_the_motions_within_it(noted: list[tuple[int, int]], start: int, length: int) -> None:
    timeline = MouthTimeline()
    times = sorted(noted, key=lambda each: each[1])
    for face, place in times:
        timeline.add({face: [MouthMotion(1000.0 * place, 1000.0 * place + 40, 0.1, 0.1)]})
    newest_ms = 1000.0 * times[-1][1] + 40 if times else 0.0
    found = timeline.during(1000.0 * start, 1000.0 * (start + length))
    expected = [
        (face, 1000.0 * place)
        for face, place in times
        if start <= place < start + length and 1000.0 * place + 40 >= newest_ms - 120_000
    ]
    assert sorted((face, each.start_ms) for face, known in found.items() for each in known) == sorted(expected)
