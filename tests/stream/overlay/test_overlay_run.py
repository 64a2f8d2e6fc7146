"""Frames from a source through the overlay to a file, with a session that knows what it tells; and no device."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
from full_disk import full_disk

from stream.media import AudioChunk, DropCounts, Media, SourceStatus, VideoFrame
from stream.overlay import outputs
from stream.overlay.look import Look
from stream.overlay.outputs import OverlayError, VideoFile, VirtualCamera, no_camera
from stream.overlay.run import Shown, show_overlay
from wire import events
from wire.events import Event, Totals

END = SourceStatus("ended", "file.ended", "the end")


class Given:
    """A source of what the test gives."""

    name = "given"
    dropped = DropCounts()

    def __init__(self, *media: Media) -> None:
        self._media = list(media)

    def start(self) -> None:
        pass

    def read(self, timeout: float | None = None) -> Media | None:
        del timeout
        return self._media.pop(0) if self._media else None

    def stop(self) -> None:
        pass


class OneFace:
    """A session that has found a face."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.emit = emit
        face = events.FaceBox(id=1, box=(10, 10, 40, 40), expression={"joy": 1.0})
        emit(events.Faces(time_ms=0, width=64, height=48, faces=[face]))

    def push(self, media: AudioChunk | VideoFrame) -> None:
        pass

    def poll(self) -> None:
        pass

    def finish(self) -> Totals:
        return Totals()

    def close(self) -> None:
        pass


class Kept:
    """An output that keeps what it gets; ``broken``: takes nothing."""

    name = "kept"
    may_wait = 100
    left_out = 0

    def __init__(self, *, broken: bool = False) -> None:
        self.expected: list[bool] = []
        self.frames: list[VideoFrame] = []
        self.sounds: list[AudioChunk] = []
        self.closed = False
        self._broken = broken

    def expect(self, *, sound: bool) -> None:
        self.expected.append(sound)

    def video(self, frame: VideoFrame) -> None:
        if self._broken:
            message = "full"
            raise OverlayError(message)
        self.frames.append(frame)

    def sound(self, chunk: AudioChunk) -> None:
        self.sounds.append(chunk)

    def close(self) -> None:
        self.closed = True


def frame_at(time_ms: float, width: int = 64, height: int = 48) -> VideoFrame:
    return VideoFrame(time_ms, np.full((height, width, 3), 90, np.uint8))


def sound(time_ms: float, length_ms: int = 100) -> AudioChunk:
    return AudioChunk(time_ms, np.sin(np.arange(length_ms * 16, dtype=np.float32)) / 2)


def show(source: Given, output: outputs.Output, stop: threading.Event | None = None) -> Shown:
    return show_overlay(source, OneFace, output, Look(), stop or threading.Event())  # type: ignore[arg-type] # behaves as one


def test_frames_and_sound_come_out_in_order_and_drawn_on() -> None:
    output = Kept()
    shown = show(Given(frame_at(0), sound(0), frame_at(40), frame_at(80), END), output)
    assert shown.frames == 3
    assert [frame.time_ms for frame in output.frames] == [0, 40, 80]
    assert len(output.sounds) == 1
    assert output.closed
    assert (output.frames[-1].image != 90).any()


def test_source_that_fails_is_told_in_its_own_words() -> None:
    output = Kept()
    with pytest.raises(OverlayError, match="check its plug"):
        show(Given(frame_at(0), SourceStatus("failed", "camera.lost", "check its plug")), output)
    assert output.closed


def test_camera_that_is_lost_ends_it_though_the_microphone_goes_on() -> None:
    lost = SourceStatus("warning", "camera.lost", "camera 0 gives no more frames")
    with pytest.raises(OverlayError, match="gives no more frames"):
        show(Given(frame_at(0), sound(0), lost, *(sound(100 * n) for n in range(100))), Kept())


def test_source_without_frames_is_told() -> None:
    with pytest.raises(OverlayError, match="given has no frames"):
        show(Given(sound(0), END), Kept())


def test_output_that_breaks_ends_it() -> None:
    with pytest.raises(OverlayError, match="full"):
        show(Given(frame_at(0), *(sound(n) for n in range(3))), Kept(broken=True))


class Torn(Given):
    """A source that breaks where nobody foresaw it."""

    def read(self, timeout: float | None = None) -> Media | None:
        media = super().read(timeout)
        if media is None:
            message = "no more bytes"
            raise ValueError(message)
        return media


def test_source_that_breaks_ends_it_with_a_reason() -> None:
    output = Kept()
    with pytest.raises(OverlayError, match="given can't be shown any more"):
        show(Torn(frame_at(0)), output)
    assert output.closed


def test_being_stopped_is_no_error() -> None:
    stop = threading.Event()
    stop.set()
    output = Kept()
    show(Given(frame_at(0), END), output, stop)
    assert output.closed


# --- files


def streams(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def test_file_has_frames_at_their_times_and_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    output = VideoFile(path, 25)
    for number in range(25):
        output.video(frame_at(number * 40))
        output.sound(sound(number * 40, 40))
    output.close()
    with av.open(str(path)) as container:
        times = [round(frame.time * 1000) for frame in container.decode(video=0) if frame.time is not None]
    assert times[:3] == [0, 40, 80]
    assert times == sorted(times)
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(16_000, abs=2048)


def loud(path: Path) -> list[tuple[float, float]]:
    """Return from when to when, in seconds, there is sound in a file, to a twentieth of a second."""
    levels = np.zeros(2_000)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.time is not None
            samples = frame.to_ndarray()[0]
            at = np.floor(20 * (frame.time + np.arange(len(samples)) / frame.sample_rate)).astype(int)
            np.maximum.at(levels, at[at >= 0], np.abs(samples[at >= 0]))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], levels > 0.1, [0]]).astype(int)))
    return [(begin / 20, end / 20) for begin, end in edges.reshape(-1, 2)]


def write(path: Path, talks: list[tuple[int, int]], frames: tuple[int, int], *, expected: bool | None) -> VideoFile:
    """Write frames and talks, each from one millisecond to another, in the order of their times."""
    output = VideoFile(path, 25)
    if expected is not None:
        output.expect(sound=expected)
    tone = np.tile(np.float32([0.5, -0.5, 0.2, -0.2]), 160)
    media: list[AudioChunk | VideoFrame] = [frame_at(time) for time in range(*frames, 40)]
    media += [AudioChunk(time, tone) for talk in talks for time in range(*talk, 40)]
    for item in sorted(media, key=lambda item: item.time_ms):
        output.video(item) if isinstance(item, VideoFrame) else output.sound(item)
    output.close()
    return output


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize(
    ("talks", "frames"),
    [
        ([(3_000, 4_000)], (0, 5_000)),
        ([(12_000, 13_000)], (0, 14_000)),
        ([(0, 1_000), (2_000, 2_400), (10_000, 11_000)], (0, 12_000)),
        ([(0, 1_000), (4_000, 5_000)], (2_000, 5_000)),
        ([(1_000, 2_000)], (0, 6_000)),
        ([(2_000, 4_000)], (0, 1_000)),
    ],
)
def test_sound_is_in_the_file_when_it_was(
    tmp_path: Path, ending: str, talks: list[tuple[int, int]], frames: tuple[int, int]
) -> None:
    path = tmp_path / f"out.{ending}"
    output = write(path, talks, frames, expected=True)
    assert output.left_out == 0
    heard = loud(path)
    assert len(heard) == len(talks)
    for (begin, end), (begin_ms, end_ms) in zip(heard, talks, strict=True):
        assert begin == pytest.approx(begin_ms / 1_000, abs=0.1)
        assert end == pytest.approx(end_ms / 1_000, abs=0.1)
    with av.open(str(path)) as container:
        (first, *_) = [frame.time for frame in container.decode(video=0)]
    assert first == pytest.approx(frames[0] / 1_000, abs=0.05)


def test_a_source_without_sound_gives_a_file_without(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [], (0, 2_000), expected=False)
    assert streams(tmp_path / "out.mp4") == ["video"]


@pytest.mark.parametrize("expected", [None, False])
def test_sound_that_comes_unexpected_is_counted(tmp_path: Path, expected: bool | None) -> None:
    output = write(tmp_path / "out.mp4", [(3_000, 4_000)], (0, 5_000), expected=expected)
    assert (streams(tmp_path / "out.mp4"), output.left_out) == (["video"], 25)


def test_the_output_is_told_whether_there_will_be_sound() -> None:
    output = Kept()
    opened = SourceStatus("opened", "file.opened", "given", has_sound=True)
    show(Given(opened, frame_at(0), sound(0), END), output)
    assert (output.expected, len(output.frames), len(output.sounds)) == ([True], 1, 1)


def test_sound_without_frames_is_kept_for_ten_seconds_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    output = VideoFile(path, 25)
    for number in range(600):
        output.sound(sound(number * 100))
    assert len(output._waiting) <= 102
    for number in range(25):
        output.video(frame_at(60_000 + number * 40))
    output.close()
    assert output.left_out + 101 == 600
    with av.open(str(path)) as container:
        (first, *_) = [frame.time for frame in container.decode(audio=0)]
    assert first == pytest.approx(49.9, abs=0.2)
    assert streams(path) == ["video", "audio"]


def test_sound_that_is_left_out_is_told(tmp_path: Path) -> None:
    sounds = (sound(number * 2_000, 2_000) for number in range(8))
    shown = show(Given(*sounds, frame_at(16_000), END), VideoFile(tmp_path / "out.mkv", 25))
    assert shown.dropped.audio_chunks > 0


def test_file_without_sound_is_a_file_of_frames(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    show(Given(*(frame_at(n * 200) for n in range(8)), END), VideoFile(path, 5))
    assert streams(path) == ["video"]


def test_odd_sizes_and_sizes_that_change_are_fitted(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    show(Given(frame_at(0, 65, 49), frame_at(40, 33, 77), frame_at(80, 640, 10), END), VideoFile(path, 25))
    with av.open(str(path)) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(64, 48)}


@pytest.mark.parametrize("name", ["missing/out.mp4", "out", "out.txt", "out.srt", "out.wav", "out.png", "folder.mp4"])
def test_file_that_can_not_be_written_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OverlayError, match=r"can't be written.*\.mp4"):
        VideoFile(tmp_path / name, 25)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


def test_file_without_a_frame_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    VideoFile(path, 25).close()
    assert not list(tmp_path.iterdir())


def test_a_video_takes_the_place_of_an_older_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    output = VideoFile(path, 25)
    output.video(frame_at(0))
    assert path.read_bytes() == b"old"
    output.close()
    assert streams(path) == ["video"]
    assert [left.name for left in tmp_path.iterdir()] == ["out.mp4"]


def test_a_disk_that_is_full_leaves_the_older_video_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    path.write_bytes(b"old")
    random = np.random.default_rng(0)
    noise = [VideoFrame(number * 40, random.integers(0, 255, (240, 320, 3), np.uint8)) for number in range(60)]
    with full_disk(50_000), pytest.raises(OverlayError, match=r"out\.mkv can't be written.* \(?File too large"):
        show(Given(*noise, END), VideoFile(path, 25))
    assert [left.name for left in tmp_path.iterdir()] == ["out.mkv"]
    assert path.read_bytes() == b"old"


# --- virtual cameras


def test_missing_camera_is_told_with_how_to_get_one() -> None:
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(OverlayError, match="no virtual camera") as raised:
        VirtualCamera("/dev/there-is-no-such-camera", 30)
    assert "To get one:" in str(raised.value)
    assert "--output FILE.mp4" in str(raised.value)


class Device:
    """A virtual camera's device, as pyvirtualcam wants it, that keeps what it is sent."""

    opened: ClassVar[list["Device"]] = []

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        del fps, fourcc
        self.size, self.name = (width, height), device or "test"
        self.sent: list[np.ndarray] = []
        self.closed = False
        self.opened.append(self)

    def send(self, frame: np.ndarray) -> None:
        self.sent.append(frame.copy())

    def close(self) -> None:
        self.closed = True

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> None:
        return None


def test_frames_go_to_the_camera_in_the_size_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("pyvirtualcam").camera
    monkeypatch.setattr(library, "BACKENDS", {"test": Device})
    output = VirtualCamera(None, 30)
    assert output.name == "the camera test"
    for media in (frame_at(0), frame_at(40, 128, 96)):
        output.video(media)
    output.sound(sound(0))
    output.close()
    probe, camera = Device.opened
    assert probe.closed
    assert camera.closed
    assert camera.size == (64, 48)
    assert [frame.size for frame in camera.sent] == [64 * 48 * 3, 64 * 48 * 3]
    assert set(camera.sent[-1]) == {90}


def test_missing_package_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(outputs.sys.modules, "pyvirtualcam", None)
    with pytest.raises(OverlayError, match=r"pip install .*virtual-camera"):
        VirtualCamera(None, 30)


@pytest.mark.parametrize(
    ("platform", "words"),
    [("linux", "modprobe v4l2loopback"), ("darwin", "OBS"), ("win32", "Start Virtual Camera"), ("plan9", "no virtual")],
)
def test_each_system_has_its_way(platform: str, words: str) -> None:
    assert words in no_camera("none found", platform)
