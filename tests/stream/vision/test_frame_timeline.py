import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.networks.faces import evenly_spaced
from stream.vision.frame_timeline import FrameTimeline, nearest


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_fifteen_even_times() -> None:
    times = evenly_spaced(1000, 2500)
    assert len(times) == 15
    assert times[0] == pytest.approx(1050)
    assert np.diff(times) == pytest.approx([100] * 14)


@given(st.lists(st.floats(0, 1e6), min_size=1).map(sorted), st.floats(-10, 2e6))
def test_nearest_is_nearest(times: list[float], wanted: float) -> None:
    assert abs(times[nearest(times, wanted)] - wanted) == min(abs(time - wanted) for time in times)


def test_an_utterance_has_the_maximum_over_its_frames_alone() -> None:
    timeline = FrameTimeline()
    timeline.add(0, vector(9, 9))
    timeline.add(1000, vector(1, 0))
    timeline.add(1200, vector(0, 2))
    timeline.add(3000, vector(9, 9))
    found = timeline.utterance(500, 2000)
    assert found is not None
    assert found.tolist() == [1, 2]


def test_frames_without_a_face_add_nothing() -> None:
    timeline = FrameTimeline()
    timeline.add(0, None)
    timeline.add(200, vector(-1, -2))
    found = timeline.utterance(0, 400)
    assert found is not None
    assert found.tolist() == [-1, -2]


def test_no_face_is_none_and_not_zeros() -> None:
    timeline = FrameTimeline()
    assert timeline.utterance(0, 1000) is None
    timeline.add(500, None)
    assert timeline.utterance(0, 1000) is None


def test_a_frame_out_of_order_is_left_out() -> None:
    timeline = FrameTimeline()
    timeline.add(500, vector(1))
    timeline.add(400, vector(7))
    found = timeline.utterance(0, 1000)
    assert found is not None
    assert found.tolist() == [1]
