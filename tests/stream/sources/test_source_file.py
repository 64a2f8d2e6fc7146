import itertools
import os
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from source_clips import (
    codes,
    drain,
    is_seamless,
    make_clip,
    make_late,
    make_titled,
    make_wav,
    packets,
    rest,
    sound,
    statuses,
    turned,
    video_frames,
)

from models.media.sound import read_sound
from stream.media import AudioChunk, Media, SourceStatus, VideoFrame
from stream.sources.file import FileSource
from stream.sources.interleave import interleave
from stream.sources.open import open_source
from stream.sources.pace import paced


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", movflags="faststart")


def last(media: list[Media]) -> SourceStatus:
    status = media[-1]
    assert isinstance(status, SourceStatus)
    assert status.final
    return status


def test_sound_and_frames_in_the_order_of_their_times(clip: Path) -> None:
    media = drain(FileSource(clip))
    chunks, frames = sound(media), video_frames(media)
    assert codes(media) == ["file.opened", "file.ended"]
    assert chunks[0].time_ms == 0
    assert is_seamless(chunks)
    assert chunks[-1].end_ms == pytest.approx(2000, abs=60)
    assert all(chunk.samples.dtype == np.float32 for chunk in chunks)
    assert len(frames) == 20
    assert frames[0].time_ms == pytest.approx(0, abs=30)
    times = [item.time_ms for item in media if not isinstance(item, SourceStatus)]
    assert times == sorted(times)


@pytest.mark.parametrize("ending", ["wav", "mkv", "webm", "avi", "mp4", "mov", "mp3", "flac", "nut"])
def test_titles_may_be_any_bytes(tmp_path: Path, ending: str) -> None:
    path = make_titled(tmp_path / f"titled.{ending}", b"Caf\xe9 \xff\xfe\xc3(xyz")
    media = drain(FileSource(path))
    assert [code for code in codes(media) if code != "file.truncated"] == ["file.opened", "file.ended"]
    assert sound(media)[-1].end_ms == pytest.approx(1000, abs=80)
    assert len(read_sound(path)) == pytest.approx(16_000, abs=1_600)


def test_frames_are_upright_rgb(clip: Path) -> None:
    image = video_frames(drain(FileSource(clip)))[0].image
    assert image.shape == (120, 160, 3)
    assert image.dtype == np.uint8
    assert image[20, 80, 0] > 180
    assert image[20, 80, 1:].max() < 60
    assert image[100, 80, 0] < 60


def test_the_sound_keeps_its_pitch_and_loudness(clip: Path) -> None:
    samples = np.concatenate([chunk.samples for chunk in sound(drain(FileSource(clip)))])[4000:20000]
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16000 / len(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.4, abs=0.05)


def test_a_frame_turned_by_its_container_is_turned_upright(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(turned(clip.read_bytes()))
    image = video_frames(drain(FileSource(path)))[0].image
    assert image.shape == (160, 120, 3)
    # A quarter clockwise: what was above is now to the right.
    assert image[80, 100, 0] > 180
    assert image[80, 20, 0] < 60


@pytest.mark.parametrize("max_fps", [1.0, 5.0, 100.0])
def test_at_most_so_many_frames_a_second(clip: Path, max_fps: float) -> None:
    frames = video_frames(drain(FileSource(clip, max_fps=max_fps)))
    assert len(frames) == 2 * min(25, max_fps)


def test_8_khz_stereo_sound(tmp_path: Path) -> None:
    media = drain(FileSource(make_wav(tmp_path / "phone.wav")))
    chunks = sound(media)
    assert sum(len(chunk.samples) for chunk in chunks) == 24_000
    assert is_seamless(chunks)
    assert "8000 Hz, 2 channel" in statuses(media)[0].message


def test_video_without_sound(tmp_path: Path) -> None:
    media = drain(FileSource(make_clip(tmp_path / "silent.mp4", audio_s=0)))
    assert (len(sound(media)), len(video_frames(media))) == (0, 20)
    assert codes(media) == ["file.opened", "file.ended"]


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts", "clip.avi", "clip.mov"])
def test_any_container_with_times_from_zero(tmp_path: Path, name: str) -> None:
    media = drain(FileSource(make_clip(tmp_path / name, start_s=0 if name == "clip.avi" else 5)))
    first = next(item for item in media if not isinstance(item, SourceStatus))
    assert first.time_ms == pytest.approx(0, abs=1e-6)
    assert sound(media)[-1].end_ms == pytest.approx(2000, abs=120)
    assert video_frames(media)[-1].time_ms == pytest.approx(1920, abs=120)
    assert codes(media) == ["file.opened", "file.ended"]


@pytest.mark.parametrize(("video_s", "audio_s"), [(2.0, 0.2), (0.2, 2.0)])
def test_a_stream_that_ends_early_does_not_hold_the_other(tmp_path: Path, video_s: float, audio_s: float) -> None:
    media = drain(FileSource(make_clip(tmp_path / "short.mp4", video_s=video_s, audio_s=audio_s)))
    assert len(video_frames(media)) == 10 * video_s
    assert sound(media)[-1].end_ms == pytest.approx(1000 * audio_s, abs=80)
    assert codes(media) == ["file.opened", "file.ended"]


def test_a_file_cut_in_the_middle_gives_what_is_there_and_says_so(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    data = clip.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    media = drain(FileSource(path))
    assert len(video_frames(media)) >= 8
    assert "file.truncated" in codes(media)
    assert last(media).kind == "ended"


def test_damaged_packets_are_counted_and_the_rest_keeps_its_time(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    middle = [(pos, size) for kind, pos, size in packets(clip) if kind == "audio"][40:48]
    for position, size in middle:
        data[position : position + size] = b"\xff" * size
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    media = drain(FileSource(path))
    warnings = [status for status in statuses(media) if status.code == "file.damaged"]
    assert warnings
    assert sound(media)[-1].end_ms == pytest.approx(2000, abs=60)
    assert len(video_frames(media)) == 20
    assert last(media).kind == "ended"


@pytest.mark.parametrize("name", ["sound.wav", "clip.avi"])
def test_a_cut_file_whose_length_is_only_in_its_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = make_wav(path) if name == "sound.wav" else make_clip(path)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    media = drain(FileSource(path))
    assert codes(media)[-2:] == ["file.truncated", "file.ended"]
    assert codes(media).count("file.truncated") == 1
    assert sound(media)


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("Dear diary, today nothing moved.\n" * 40)


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def nothing(path: Path) -> None:
    assert not path.exists()


def without_index(path: Path) -> None:
    make_clip(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def subtitles(path: Path) -> None:
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n00:00:01,000 --> 00:00:02,000\nWorld\n")


def no_samples(path: Path) -> None:
    with wave.open(str(path), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(16000)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (nothing, "file.not_found"),
        (empty, "file.empty"),
        (text, "file.not_media"),
        (folder, "file.not_media"),
        (pipe, "file.not_media"),
        (without_index, "file.not_media"),
        (subtitles, "file.no_streams"),
        (no_samples, "file.no_media"),
    ],
)
def test_what_cannot_be_played_says_why(tmp_path: Path, make: object, code: str) -> None:
    path = tmp_path / "given.mp4"
    assert callable(make)
    make(path)
    media = drain(FileSource(path))
    assert not sound(media)
    assert not video_frames(media)
    assert (last(media).kind, last(media).code) == ("failed", code)
    assert "given.mp4" in last(media).message


def test_at_its_own_speed_nothing_is_lost(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "short.mp4", video_s=0.3, audio_s=0.3)
    media = drain(FileSource(path, realtime=True))
    assert codes(media) == ["file.opened", "file.ended"]
    assert len(video_frames(media)) == 3


def test_stopping_a_file_at_its_own_speed_does_not_wait_for_its_end(tmp_path: Path) -> None:
    source = FileSource(make_wav(tmp_path / "long.wav", seconds=600), realtime=True)
    source.start()
    assert isinstance(source.read(), SourceStatus)
    source.stop()
    media = rest(source)
    assert last(media).code == "source.stopped"


def test_a_slow_reader_loses_nothing(tmp_path: Path) -> None:
    source = FileSource(make_wav(tmp_path / "minute.wav", seconds=60))
    media = drain(source)
    assert is_seamless(sound(media))
    assert sound(media)[-1].end_ms == 60_000
    assert source.dropped.audio_chunks == 0


class Waits(threading.Event):
    """Notes what was waited, four times."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return len(self.seconds) == 4


@pytest.mark.parametrize(
    ("first_s", "second_s", "code"), [(0, 43, "file.time_forward"), (43, 0, "file.time_backward"), (0, 0, None)]
)
def test_transport_streams_joined_go_on_at_their_seam(
    tmp_path: Path, first_s: float, second_s: float, code: str | None
) -> None:
    parts = [make_clip(tmp_path / f"{number}.ts", start_s=start) for number, start in enumerate((first_s, second_s))]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    media = drain(FileSource(path))
    assert codes(media) == ["file.opened", code or "file.time_backward", "file.ended"]
    chunks, frames = sound(media), video_frames(media)
    assert chunks[-1].end_ms == pytest.approx(4_000, abs=150)
    assert frames[-1].time_ms == pytest.approx(4_000, abs=200)
    # The upper half of a frame is the same in all, the lower one counts: both parts are there, one after the other.
    counted = [frame.image[100, 80, 2] // 5 for frame in frames]
    assert len(counted) in {39, 40, 41}


def test_sound_begins_when_its_frames_have_long_begun(tmp_path: Path) -> None:
    for ending in ("mkv", "mp4", "ts"):
        path = make_late(tmp_path / f"late.{ending}", sound_s=4.0)
        media = drain(FileSource(path))
        assert codes(media) == ["file.opened", "file.ended"]
        assert sound(media)[0].time_ms == pytest.approx(4_000, abs=60)
        assert sound(media)[-1].end_ms == pytest.approx(5_000, abs=80)


def test_no_pause_is_waited_for_longer_than_a_minute() -> None:
    chunks = [AudioChunk(start, np.zeros(16_000, np.float32)) for start in (0.0, 3_600_000.0, 3_601_000.0, 3_602_000.0)]
    waits = Waits()
    assert list(paced(chunks, waits)) == chunks[:3]
    assert waits.seconds == pytest.approx([1, 61, 62, 63], abs=0.9)


def test_each_item_is_due_when_a_device_would_give_it() -> None:
    chunks = [AudioChunk(start, np.zeros(16_000, np.float32)) for start in (0.0, 60_000.0, 120_000.0, 180_000.0)]
    waits = Waits()
    assert list(paced(chunks, waits)) == chunks[:3]
    assert waits.seconds == pytest.approx([1, 61, 121, 181], abs=0.9)


def test_sound_stored_after_all_frames_is_interleaved() -> None:
    frames = [VideoFrame(100.0 * i, np.zeros((2, 2, 3), np.uint8)) for i in range(8)]
    chunks = [AudioChunk(50.0 * i, np.zeros(800, np.float32)) for i in range(16)]
    mixed = list(interleave(itertools.chain(frames, chunks)))
    times = [item.time_ms for item in mixed if not isinstance(item, SourceStatus)]
    assert times == sorted(times)
    assert len(times) == 24


def test_interleaving_holds_few_frames() -> None:
    frames = (VideoFrame(100.0 * i, np.zeros((2, 2, 3), np.uint8)) for i in itertools.count())
    mixed = interleave(frames)
    next(mixed)
    assert next(frames).time_ms <= 1200


def test_the_text_chooses_the_source(clip: Path) -> None:
    path = open_source(str(clip), realtime=False, max_fps=5)
    address = open_source(clip.as_uri(), realtime=False, max_fps=5)
    assert [len(video_frames(drain(source))) for source in (path, address)] == [10, 10]
    camera = open_source("rtsp://me:pw@cam.example/1?key=2", realtime=False)
    assert (camera.name, camera.live) == ("rtsp://cam.example/1?…", True)
    assert not open_source("http://example.org/a.mp4", realtime=False).live
    with pytest.raises(ValueError, match=r"gopher://h/.*use one of .*rtsp"):
        open_source("gopher://me:pw@h/", realtime=False)
