from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.limiter import FrameLimiter
from stream.sources.timeline import AudioTrack, Timeline, VideoTrack

stamps = st.lists(st.one_of(st.none(), st.floats(-1e7, 1e7)), max_size=50)
SAMPLES = 320
STEP = 20.0


def place_audio(track: AudioTrack, raw: list[float]) -> list[float]:
    return [track.place(stamp, SAMPLES) for stamp in raw]


@given(stamps)
def test_sound_never_overlaps_and_never_begins_before_zero(raw: list[float | None]) -> None:
    track = AudioTrack(Timeline())
    times = [track.place(stamp, SAMPLES) for stamp in raw]
    assert all(time >= 0 for time in times)
    assert all(late - early >= STEP - 1e-6 for early, late in pairwise(times))


@given(stamps)
def test_pictures_never_go_back(raw: list[float | None]) -> None:
    track = VideoTrack(Timeline(), 40.0)
    times = [track.place(stamp) for stamp in raw]
    assert times == sorted(times)
    assert all(time >= 0 for time in times)


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-40, 40), min_size=1, max_size=50))
def test_jitter_does_not_crack_the_sound(start: float, jitter: list[float]) -> None:
    track = AudioTrack(Timeline(start))
    times = place_audio(track, [start + STEP * i + (off if i else 0) for i, off in enumerate(jitter)])
    assert times == pytest.approx([STEP * i for i in range(len(jitter))], abs=1e-6)


def test_a_gap_in_the_sound_stays_a_gap() -> None:
    assert place_audio(AudioTrack(Timeline()), [500, 520, 900, 920]) == [0, 20, 400, 420]


def test_sound_that_starts_again_goes_on() -> None:
    raw = [STEP * i for i in range(100)]
    assert place_audio(AudioTrack(Timeline()), raw + raw) == pytest.approx([STEP * i for i in range(200)])


def test_one_wrong_stamp_leaves_no_trace() -> None:
    raw = [10_000 + STEP * i for i in range(10)]
    raw[5] = 0
    assert place_audio(AudioTrack(Timeline()), raw) == pytest.approx([STEP * i for i in range(10)])


@pytest.mark.parametrize("lead_ms", [0, 300, 1500])
def test_both_tracks_follow_a_restart_together(lead_ms: float) -> None:
    timeline = Timeline(0.0)
    audio, video = AudioTrack(timeline), VideoTrack(timeline, 40.0)
    place_audio(audio, [STEP * i for i in range(500)])
    for i in range(250):
        video.place(40.0 * i)
    place_audio(audio, [STEP * i for i in range(100)])
    assert video.place(0.0) == pytest.approx(10_000)
    assert video.place(lead_ms) == pytest.approx(10_000 + lead_ms)


def test_missing_stamps_are_made_up() -> None:
    assert [VideoTrack(Timeline(), 40.0).place(None)] == [0]
    track = VideoTrack(Timeline(), 40.0)
    assert [track.place(stamp) for stamp in (7.0, None, 87.0)] == [0, 40, 80]


@given(st.floats(1, 60), st.floats(1, 60), st.integers(2, 200))
def test_no_more_frames_than_asked_for_evenly(max_fps: float, fps: float, count: int) -> None:
    limiter = FrameLimiter(max_fps)
    kept = [i / fps * 1000 for i in range(count) if limiter.keep(i / fps * 1000)]
    seconds = (count - 1) / fps
    assert kept[0] == 0
    assert len(kept) <= seconds * max_fps + 2
    assert len(kept) >= min(fps, max_fps) * seconds * 0.9 - 1


def test_a_gap_does_not_let_a_burst_through() -> None:
    limiter = FrameLimiter(10)
    times = [0.0, *(10_000.0 + 10 * i for i in range(30))]
    assert [time for time in times if limiter.keep(time)] == [0, 10_000, 10_100, 10_200]
