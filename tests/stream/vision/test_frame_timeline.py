import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.networks.faces import evenly_spaced
from stream.vision.frame_timeline import FrameTimeline, nearest


def test_fifteen_even_times() -> None:
    times = evenly_spaced(1000, 2500)
    assert len(times) == 15
    assert times[0] == pytest.approx(1050)
    assert np.diff(times) == pytest.approx([100] * 14)


@given(st.lists(st.floats(0, 1e6), min_size=1).map(sorted), st.floats(-10, 2e6))
def test_nearest_is_nearest(times: list[float], wanted: float) -> None:
    assert abs(times[nearest(times, wanted)] - wanted) == min(abs(time - wanted) for time in times)


def test_an_utterance_has_its_own_frames_alone() -> None:
    timeline: FrameTimeline[str] = FrameTimeline()
    for time_ms, what in ((0, "before"), (1000, "one"), (1200, "two"), (3000, "after")):
        timeline.add(time_ms, what)
    assert timeline.during(500, 2000) == ["one", "two"]
    assert timeline.during(4000, 5000) == []


def test_of_many_frames_those_nearest_to_fifteen_even_times_count() -> None:
    timeline: FrameTimeline[int] = FrameTimeline()
    for time_ms in range(0, 3000, 10):
        timeline.add(time_ms, time_ms)
    assert timeline.during(0, 1500) == [50 + 100 * place for place in range(15)]


def test_a_frame_without_a_face_is_a_frame() -> None:
    timeline: FrameTimeline[str | None] = FrameTimeline()
    timeline.add(0, None)
    timeline.add(200, "face")
    assert timeline.during(0, 400) == [None, "face"]


def test_a_frame_out_of_order_is_left_out() -> None:
    timeline: FrameTimeline[str] = FrameTimeline()
    timeline.add(500, "one")
    timeline.add(400, "two")
    assert timeline.during(0, 1000) == ["one"]
