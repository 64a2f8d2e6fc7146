from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.media import SAMPLES_PER_MS, Samples
from stream.sources.pace import FrameLimiter
from stream.sources.timeline import BROADCAST, OWN_CLOCK, RECORDING, Timeline, Trust
from stream.sources.tracks import AudioTrack, VideoTrack

STEP = 20.0
INTERVAL = 40.0
BLOCK = np.full(320, 0.25, np.float32)

stamps = st.lists(st.one_of(st.none(), st.floats(-1e7, 1e7)), max_size=50)
trusts = st.sampled_from([BROADCAST, RECORDING])


def place_audio(track: AudioTrack, raw: Iterable[float | None]) -> list[float]:
    return [time for time, _ in heard(track, raw)]


def heard(track: AudioTrack, raw: Iterable[float | None], block: Samples = BLOCK) -> list[tuple[float, Samples]]:
    """Return blocks of sound, to the end, with their times."""
    return [placed for stamp in raw for placed in track.place(stamp, block)] + list(track.flush())


def place_video(track: VideoTrack[None], raw: Iterable[float | None]) -> list[float]:
    return [time for stamp in raw for time, _ in track.place(stamp, None)] + [time for time, _ in track.flush()]


def steady(count: int, start: float = 0.0, step: float = STEP) -> list[float]:
    return [start + step * index for index in range(count)]


@given(stamps, trusts)
def test_sound_never_overlaps_and_never_begins_before_zero(raw: list[float | None], trust: Trust) -> None:
    placed = heard(AudioTrack(Timeline(trust=trust)), raw)
    assert len(placed) == len(raw)
    assert all(time >= 0 for time, _ in placed)
    for (early, block), (late, _) in pairwise(placed):
        assert late - early >= len(block) / SAMPLES_PER_MS - 1e-6


@given(stamps, trusts)
@example([-2.0770933258157627e-10, 0.26, None, None, None, 0.0], Trust(max_gap_ms=10_000.0, confirm_ms=1_000.0))
def test_frames_never_go_back(raw: list[float | None], trust: Trust) -> None:
    times = place_video(VideoTrack(Timeline(trust=trust), INTERVAL), raw)
    assert len(times) == len(raw)
    assert times == sorted(times)
    assert all(time >= 0 for time in times)


@given(stamps, trusts)
def test_no_stamps_lead_further_than_the_longest_gap(raw: list[float | None], trust: Trust) -> None:
    times = place_audio(AudioTrack(Timeline(trust=trust)), raw)
    assert all(late - early <= trust.max_gap_ms + 2 * STEP for early, late in pairwise(times))


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-40, 40), min_size=1, max_size=50))
def test_jitter_does_not_crack_the_sound(start: float, jitter: list[float]) -> None:
    track = AudioTrack(Timeline(start))
    times = place_audio(track, [start + STEP * i + (off if i else 0) for i, off in enumerate(jitter)])
    assert times == pytest.approx(steady(len(jitter)), abs=1e-6)


@pytest.mark.parametrize("gap_ms", [380.0, 5_000.0, 10_000.0])
@pytest.mark.parametrize("trust", [BROADCAST, RECORDING])
def test_a_gap_in_the_sound_stays_a_gap(trust: Trust, gap_ms: float) -> None:
    timeline = Timeline(trust=trust)
    raw = steady(10) + steady(100, 200 + gap_ms)
    assert place_audio(AudioTrack(timeline), raw) == raw
    assert timeline.strays() == []


def test_pauses_of_minutes_are_part_of_a_recording() -> None:
    pieces = [time for begin in (0.0, 60_000.0, 400_000.0, 400_500.0) for time in steady(3, begin)]
    assert place_audio(AudioTrack(Timeline(trust=RECORDING)), pieces) == pieces
    slides = [0.0, 60_000.0, 150_000.0, 150_040.0]
    assert place_video(VideoTrack(Timeline(trust=RECORDING), INTERVAL), slides) == slides


def test_a_longer_way_ahead_is_a_cut() -> None:
    timeline = Timeline(trust=BROADCAST)
    times = place_audio(AudioTrack(timeline), steady(100) + steady(100, 43_000))
    assert times == steady(200)
    assert timeline.strays() == ["ahead"]
    assert timeline.cut_ms == 41_000


def test_sound_that_starts_again_goes_on() -> None:
    timeline = Timeline()
    assert place_audio(AudioTrack(timeline), steady(100) + steady(100)) == pytest.approx(steady(200))
    assert timeline.strays() == ["back"]


@pytest.mark.parametrize("trust", [BROADCAST, RECORDING])
@pytest.mark.parametrize("wrong_by", [-3_600_000.0, -5_000.0, -500.0, 500.0, 5_000.0, 3_600_000.0])
@pytest.mark.parametrize("at", [1, 5, 8])
def test_one_wrong_stamp_leaves_no_trace(at: int, wrong_by: float, trust: Trust) -> None:
    raw = steady(10, 10_000)
    raw[at] += wrong_by
    timeline = Timeline(10_000, trust=trust)
    placed = heard(AudioTrack(timeline), raw)
    assert [time for time, _ in placed] == steady(10)
    assert all(len(block) == len(BLOCK) for _, block in placed)
    frames = steady(10, 10_000, INTERVAL)
    frames[at] += wrong_by
    times = place_video(VideoTrack(Timeline(10_000, trust=trust), INTERVAL), frames)
    assert times[:at] + times[at + 1 :] == steady(at, 0, INTERVAL) + steady(9 - at, INTERVAL * (at + 1), INTERVAL)


@pytest.mark.parametrize("wrong_by", [-5_000.0, 500.0, 5_000.0])
def test_wrong_stamps_of_all_sound_of_a_packet_leave_none_either(wrong_by: float) -> None:
    raw = [stamp + (wrong_by if 50 <= index < 80 else 0) for index, stamp in enumerate(steady(200))]
    timeline = Timeline(0.0)
    assert place_audio(AudioTrack(timeline), raw) == steady(200)
    assert len(timeline.strays()) == (0 if -1_000 < wrong_by < 0 else 1)


@pytest.mark.parametrize("first", [-3_600_000.0, 3_600_000.0])
def test_the_first_stamp_may_be_the_wrong_one(first: float) -> None:
    assert place_audio(AudioTrack(Timeline(0.0)), [first, *steady(100, STEP)]) == steady(101)
    assert place_audio(AudioTrack(Timeline()), [first, *steady(100, STEP)]) == steady(101)


@pytest.mark.parametrize("jump_ms", [-10_000.0, 43_000.0, 3_600_000.0])
@pytest.mark.parametrize("shorter_ms", [0.0, 400.0, 1_500.0, 3_000.0])
@pytest.mark.parametrize("first", ["sound", "frames"])
def test_both_tracks_are_in_sync_after_a_cut(first: str, shorter_ms: float, jump_ms: float) -> None:
    """The first part's sound ends earlier than its frames; then both begin anew, at once."""
    timeline = Timeline(0.0)
    audio, video = AudioTrack(timeline), VideoTrack[None](timeline, INTERVAL)
    begin = 10_000 + jump_ms
    parts: list[tuple[float, int]] = [(time, 0) for time in steady(round((10_000 - shorter_ms) / STEP))]
    parts += [(time, 1) for time in steady(250, 0, INTERVAL)]
    later = [(time, 0) for time in steady(200, begin)] + [(time, 1) for time in steady(100, begin, INTERVAL)]
    order = (lambda part: (part[0], part[1])) if first == "sound" else (lambda part: (part[0], -part[1]))
    seen: dict[int, dict[float, float]] = {0: {}, 1: {}}
    for part, pieces in enumerate([sorted(parts, key=order), sorted(later, key=order)]):
        for raw, kind in pieces:
            placed = list(audio.place(raw, BLOCK) if kind == 0 else video.place(raw, None))
            placed += [*audio.settle()] if kind else []
            if part and placed:
                seen[kind][raw] = placed[-1][0]
    for time, _ in [*audio.flush(), *video.flush()]:
        assert time >= 10_000 - 1e-6
    assert len(seen[0]) > 50
    # A second of sound shows that it is a cut.
    offsets = [
        time - raw for kind, wait in ((0, 1_200), (1, 100)) for raw, time in seen[kind].items() if raw > begin + wait
    ]
    assert offsets == pytest.approx([offsets[0]] * len(offsets))
    assert offsets[0] + begin == pytest.approx(10_000, abs=INTERVAL)


@pytest.mark.parametrize("lead_ms", [0, 300, 1500])
def test_both_tracks_follow_a_restart_together(lead_ms: float) -> None:
    timeline = Timeline(0.0)
    audio, video = AudioTrack(timeline), VideoTrack[None](timeline, INTERVAL)
    place_audio(audio, steady(500))
    place_video(video, steady(250, 0, INTERVAL))
    place_audio(audio, steady(100))
    assert place_video(video, [lead_ms]) == pytest.approx([10_000 + lead_ms])


def test_a_still_frame_waits_only_for_the_sound_of_its_time() -> None:
    timeline = Timeline(0.0)
    audio, video = AudioTrack(timeline), VideoTrack[None](timeline, INTERVAL)
    assert [time for time, _ in video.place(0.0, None)] == [0]
    assert list(video.place(60_000.0, None)) == []
    for stamp in steady(3_000):
        list(audio.place(stamp, BLOCK))
        early = list(video.settle())
        assert early == ([] if stamp < 60_000 - STEP else [(60_000, None)])


# ------------------------------------------------------------------------------------- live


class Arrivals:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms

    def place(self, track: AudioTrack, raw: Iterable[float]) -> list[float]:
        """Place blocks that arrive one after the other, each when it is over."""
        times = []
        for stamp in raw:
            self.ms += STEP
            times += [time for time, _ in track.place(stamp, BLOCK)]
        return times


@pytest.mark.parametrize("away_ms", [300.0, 15_000.0, 3_600_000.0])
def test_a_pause_of_a_live_sender_lasts_as_long_as_it_did(away_ms: float) -> None:
    clock = Arrivals()
    timeline = Timeline(now_ms=clock)
    track = AudioTrack(timeline)
    clock.place(track, steady(100))
    clock.ms += away_ms
    assert clock.place(track, steady(3, 2_000 + away_ms)) == steady(3, 2_000 + away_ms)
    assert timeline.strays() == []


@pytest.mark.parametrize("begin", [0.0, 90_000_000.0])
def test_a_live_sender_that_starts_again_lacks_only_the_time_it_was_away(begin: float) -> None:
    clock = Arrivals()
    timeline = Timeline(0.0, now_ms=clock)
    audio, video = AudioTrack(timeline), VideoTrack[None](timeline, INTERVAL)
    clock.place(audio, steady(100))
    place_video(video, steady(50, 0, INTERVAL))
    clock.ms += 10_000
    assert clock.place(audio, steady(100, begin)) == pytest.approx(steady(100, 12_000 + STEP))
    assert place_video(video, [begin]) == pytest.approx([12_000 + STEP])


def test_stamps_of_our_own_clock_are_believed_at_once() -> None:
    track = AudioTrack(Timeline(0.0, trust=OWN_CLOCK))
    assert list(track.place(50_000.0, BLOCK)) == [(50_000, BLOCK)]


# ------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize("rate", [0.9, 0.97, 0.999, 1.001, 1.03, 1.1])
@pytest.mark.parametrize("block", [320, 1_600])
def test_sound_of_a_clock_that_is_off_stays_with_its_stamps(rate: float, block: int) -> None:
    """A sender's sound card gives ``rate`` times the samples that it says."""
    step = block / SAMPLES_PER_MS / rate
    raw = steady(round(20_000 / step), step=step)
    timeline = Timeline()
    placed = heard(AudioTrack(timeline), raw, np.zeros(block, np.float32))
    assert all(abs(time - stamp) <= 100 for (time, _), stamp in zip(placed, raw, strict=True))
    for (early, samples), (late, _) in pairwise(placed):
        assert late - early == pytest.approx(len(samples) / SAMPLES_PER_MS, abs=1e-6)
    assert timeline.strays() == []


def test_what_is_stretched_sounds_the_same() -> None:
    count = 5 * 16_000
    tone = np.sin(2 * np.pi * 440 * np.arange(count) / 16_000 / 1.05).astype(np.float32)
    step = 20 / 1.05
    placed = heard_blocks(AudioTrack(Timeline()), tone, step)
    late = np.concatenate([samples for time, samples in placed if time > 2_000])
    pitch = np.abs(np.fft.rfft(late * np.hanning(len(late)))).argmax() * 16_000 / len(late)
    assert pitch == pytest.approx(440, abs=3)


def heard_blocks(track: AudioTrack, sound: Samples, step_ms: float) -> list[tuple[float, Samples]]:
    blocks = sound.reshape(-1, 320)
    return [placed for i, block in enumerate(blocks) for placed in track.place(step_ms * i, block)]


def test_a_stamp_that_stands_still_says_nothing() -> None:
    placed = heard(AudioTrack(Timeline()), [0.0] * 100)
    assert [time for time, _ in placed] == steady(100)
    assert {len(block) for _, block in placed} == {320}


def test_missing_stamps_are_made_up() -> None:
    assert place_video(VideoTrack(Timeline(), INTERVAL), [None]) == [0]
    assert place_video(VideoTrack(Timeline(), INTERVAL), [7.0, None, 87.0]) == [0, 40, 80]


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
