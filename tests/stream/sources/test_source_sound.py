from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_clips import codes, drain, is_seamless, make_tracks, sound, statuses, tone

from models.media.sound import read_sound
from stream.media import AudioChunk, Media
from stream.sources.file import FileSource
from stream.sources.sound_tracks import PATIENCE_MS, SoundChoice, TrackChooser

RATE = 16_000
BEGUN = round(0.51 * RATE)  # where sound that begins at 0.5 s is there without a doubt
SILENCE = np.zeros(3 * RATE, np.float32)


def late(seconds: float) -> np.ndarray:
    """Three seconds, a tone from ``seconds`` on."""
    return np.concatenate([SILENCE[: round(seconds * RATE)], tone(3 - seconds, RATE)])


def warned(media: list[Media]) -> list[str]:
    return [status.message for status in statuses(media) if status.kind == "warning"]


def heard(media: list[Media]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in sound(media)])


@pytest.mark.parametrize("ending", ["mkv", "mov", "avi"])
@pytest.mark.parametrize(
    ("tracks", "taken"),
    [
        ([late(0), SILENCE], 1),
        ([SILENCE, late(0)], 2),
        ([SILENCE, SILENCE, late(0.7)], 3),
        ([1e-4 * late(0), late(1)], 2),
        ([late(1.5), late(0)], 1),
        ([SILENCE, late(1), late(0.5)], 3),
        ([SILENCE, SILENCE], 1),
    ],
)
def test_the_first_track_with_sound_is_taken(tmp_path: Path, ending: str, tracks: list[np.ndarray], taken: int) -> None:
    path = make_tracks(tmp_path / f"obs.{ending}", *tracks)
    media = drain(FileSource(path))
    assert codes(media) == ["file.opened", "file.sound_tracks", "file.ended"]
    (message,) = warned(media)
    assert f"{taken} is taken" in message
    assert "--audio-track" in message
    assert is_seamless(sound(media))
    assert heard(media) == pytest.approx(tracks[taken - 1], abs=1e-3)
    assert read_sound(path) == pytest.approx(tracks[taken - 1], abs=1e-3) or taken == 1 or len(tracks) > 2


def test_a_track_may_be_chosen(tmp_path: Path) -> None:
    path = make_tracks(tmp_path / "film.mkv", late(0), 0.5 * late(1))
    media = drain(FileSource(path, sound=SoundChoice(track=2)))
    assert codes(media) == ["file.opened", "file.ended"]
    assert heard(media) == pytest.approx(0.5 * late(1), abs=1e-3)
    media = drain(FileSource(path, sound=SoundChoice(track=3)))
    assert codes(media) == ["file.no_track"]
    assert "there are: 1, 2" in statuses(media)[0].message


def test_the_trainer_reads_the_first_track_with_sound(tmp_path: Path) -> None:
    path = make_tracks(tmp_path / "obs.mkv", SILENCE, late(1))
    assert read_sound(path) == pytest.approx(late(1), abs=1e-3)
    assert read_sound(path, 500, 2_000) == pytest.approx(late(1)[RATE // 2 : 2 * RATE], abs=1e-3)
    assert not read_sound(path, 100, 700).any()


@pytest.mark.parametrize("ending", ["wav", "mkv", "mov"])
def test_channels_that_cancel_are_heard_and_told(tmp_path: Path, ending: str) -> None:
    said = late(0.5)
    media = drain(FileSource(make_tracks(tmp_path / f"phase.{ending}", np.stack([said, -said]))))
    assert codes(media) == ["file.opened", "file.channels_cancel", "file.ended"]
    assert np.abs(heard(media))[BEGUN:] == pytest.approx(np.abs(said)[BEGUN:], abs=0.02)


@pytest.mark.parametrize("count", [9, 16, 20, 60])
@pytest.mark.parametrize("ending", ["wav", "mkv"])
def test_what_is_in_one_of_many_channels_is_heard(tmp_path: Path, count: int, ending: str) -> None:
    channels = np.zeros((count, 3 * RATE), np.float32)
    channels[count - 2] = late(0.5)
    media = drain(FileSource(make_tracks(tmp_path / f"many.{ending}", channels)))
    assert codes(media) == ["file.opened", "file.ended"]
    assert heard(media)[BEGUN:] == pytest.approx(late(0.5)[BEGUN:], abs=0.02)


def test_a_channel_may_be_chosen(tmp_path: Path) -> None:
    path = make_tracks(tmp_path / "call.wav", np.stack([late(0), 0.5 * late(1)]))
    assert heard(drain(FileSource(path, sound=SoundChoice(channel=2)))) == pytest.approx(0.5 * late(1), abs=1e-3)
    media = drain(FileSource(path, sound=SoundChoice(channel=3)))
    assert codes(media) == ["file.opened", "file.no_channel", "file.ended"]


chunks = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=400)


@given(chunks)
def test_whatever_comes_each_time_is_told_once(pieces: list[tuple[int, bool]]) -> None:
    chooser, reached, told = TrackChooser(3), [0.0, 0.0, 0.0], []
    for track, loud in pieces:
        samples = np.tile(np.float32([0.5, -0.5]) if loud else np.float32([0, 0]), 800)
        told += list(chooser.push(track, AudioChunk(reached[track], samples)))
        reached[track] += 100
    told += list(chooser.flush())
    chosen = chooser.chosen
    assert chosen is not None
    for early, after in pairwise(told):
        assert after.time_ms >= early.end_ms - 1e-6
    if told:
        assert max(chunk.end_ms for chunk in told) >= reached[chosen]


def test_silence_is_passed_on_while_nothing_is_heard() -> None:
    chooser = TrackChooser(2)
    told = [
        chunk
        for index in range(100)
        for track in (0, 1)
        for chunk in chooser.push(track, AudioChunk(100.0 * index, np.zeros(1_600, np.float32)))
    ]
    assert told[-1].end_ms == 10_000
    assert list(chooser.push(1, AudioChunk(10_000, tone(0.1, RATE)))) == []
    late_ms = 10_000 + PATIENCE_MS
    more = [
        chunk
        for time in np.arange(10_000, late_ms + 200, 100)
        for chunk in chooser.push(0, AudioChunk(float(time), np.zeros(1_600, np.float32)))
    ]
    assert (more[0].time_ms, chooser.chosen) == (10_000, 1)
