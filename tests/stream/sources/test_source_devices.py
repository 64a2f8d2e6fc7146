import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sound_server import played, sound_server, stop_sound_server
from source_clips import codes, drain, make_clip, make_wav, rest, sound, statuses, video_frames
from waiting import PATIENCE_S

from stream.media import SAMPLE_RATE, AudioChunk, Media, SourceStatus, VideoFrame
from stream.sources.base import LiveClock, Source
from stream.sources.camera import CameraSource
from stream.sources.capture import CaptureSource
from stream.sources.microphone import MicrophoneSource
from wire.backoff import Retry

QUICK = Retry(first_s=0.001, longest_s=0.001, attempts=3)
NO_CAMERA = "/dev/video-that-is-not-there"
NO_MICROPHONE = "microphone that is not there"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file that OpenCV opens like a device: it gives 50 frames, then none until it is opened again."""
    return make_clip(tmp_path / "camera.avi", audio_s=0)


def test_a_camera_gives_upright_rgb_frames_in_time(clip: Path) -> None:
    with CameraSource(str(clip), max_fps=1000, retry=QUICK) as source:
        opened, first, second = (source.read() for _ in range(3))
    assert isinstance(opened, SourceStatus)
    assert opened.message.endswith("160x120")
    assert isinstance(first, VideoFrame)
    assert isinstance(second, VideoFrame)
    assert first.time_ms == 0 <= second.time_ms
    assert first.image[20, 80, 0] > 180
    assert first.image[20, 80, 1:].max() < 60


def test_a_camera_that_stops_is_opened_again_and_given_up_when_it_stays_away(clip: Path) -> None:
    with CameraSource(str(clip), max_fps=1000, retry=QUICK) as source:
        media: list[Media] = []
        while "camera.reconnecting" not in codes(media):
            media += [item for item in [source.read()] if item]
        clip.unlink()
        media += rest(source)
    assert codes(media)[0] == "camera.opened"
    assert codes(media)[-1] == "camera.lost"
    assert codes(media).count("camera.reconnecting") >= 3
    assert statuses(media)[-1].kind == "failed"
    assert [frame.time_ms for frame in video_frames(media)] == sorted(frame.time_ms for frame in video_frames(media))


@pytest.mark.parametrize("device", ["99", 99, NO_CAMERA])
def test_a_camera_that_is_not_there(device: int | str) -> None:
    (status,) = statuses(drain(CameraSource(device)))
    assert (status.kind, status.code) == ("failed", "camera.not_found")
    assert "plugged in" in status.message


def test_a_microphone_without_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_portaudio(name: str, *rest: object) -> object:
        if name == "sounddevice":
            message = "PortAudio library not found"
            raise OSError(message)
        return real_import(name, *rest)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_portaudio)
    (status,) = statuses(drain(MicrophoneSource()))
    assert (status.kind, status.code) == ("failed", "microphone.no_portaudio")
    assert "apt install libportaudio2" in status.message


def test_a_microphone_that_is_not_there() -> None:
    (status,) = statuses(drain(MicrophoneSource(NO_MICROPHONE)))
    assert status.kind == "failed"
    assert status.code in {"microphone.not_found", "microphone.no_portaudio"}


def test_the_camera_goes_on_without_its_microphone(clip: Path) -> None:
    with CaptureSource(str(clip), NO_MICROPHONE, max_fps=100) as source:
        media: list[Media] = []
        while len(statuses(media)) < 2 or not video_frames(media):
            media += [item for item in [source.read()] if item]
        source.stop()
        media += rest(source)
    warning = next(status for status in statuses(media) if status.kind == "warning")
    assert warning.code.startswith("microphone.")
    assert codes(media)[-1] == "source.stopped"


def test_a_capture_of_which_nothing_is_there_fails_with_both_reasons() -> None:
    media = drain(CaptureSource(NO_CAMERA, NO_MICROPHONE))
    assert [status.kind for status in statuses(media)] == ["warning", "warning", "failed"]
    assert codes(media)[-1] == "capture.failed"
    assert NO_CAMERA in statuses(media)[-1].message
    assert NO_MICROPHONE in statuses(media)[-1].message


def test_the_clock_begins_at_the_first_media_of_any_device() -> None:
    moments = iter([100.0, 100.5, 99.0])
    clock = LiveClock(lambda: next(moments))
    assert [clock.stamp(age_ms=20), clock.stamp(), clock.stamp()] == pytest.approx([0, 520, 0])


@pytest.fixture
def virtual_microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """Run a sound server of our own whose microphone hears a tone of 440 Hz; yield its environment."""
    try:
        import sounddevice  # noqa: PLC0415 - fails where PortAudio is missing
    except OSError:
        pytest.skip("needs PortAudio: apt install libportaudio2")
    with sound_server(tmp_path) as there:
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        sounddevice._terminate()
        sounddevice._initialize()
        with played(make_wav(tmp_path / "tone.wav", seconds=120, rate=16_000), there):
            yield there


def read_until(source: Source, enough: Callable[[list[Media]], bool]) -> list[Media]:
    media: list[Media] = []
    while not enough(media):
        item = source.read(PATIENCE_S)
        assert item is not None
        media.append(item)
    return media


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_microphone")
@pytest.mark.parametrize("device", ["default", "pulse", 0])
def test_a_real_microphone_hears_the_tone(device: int | str) -> None:
    def loud(media: list[Media]) -> list[AudioChunk]:
        return [chunk for chunk in sound(media) if np.abs(chunk.samples).max() > 0.3]

    with MicrophoneSource(device) as source:
        media = read_until(source, lambda media: len(loud(media)) >= 40)
    assert codes(media)[0] == "microphone.opened"
    assert sound(media)[0].time_ms == 0
    assert all(late.time_ms >= early.end_ms - 1e-6 for early, late in pairwise(sound(media)))
    heard = np.concatenate([chunk.samples for chunk in loud(media)[-16:]])
    pitch = np.argmax(np.abs(np.fft.rfft(heard))) * SAMPLE_RATE / len(heard)
    assert pitch == pytest.approx(440, abs=5)


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_microphone")
def test_camera_and_microphone_share_their_time(clip: Path) -> None:
    with CaptureSource(str(clip), "pulse", max_fps=100) as source:
        media = read_until(source, lambda media: len(sound(media)) >= 30 and len(video_frames(media)) >= 5)
    assert min(sound(media)[0].time_ms, video_frames(media)[0].time_ms) == 0
    # Neither has ended when the other begins, by the one clock of both.
    assert video_frames(media)[0].time_ms < sound(media)[-1].end_ms
    assert sound(media)[0].time_ms < video_frames(media)[-1].time_ms


@pytest.mark.slow
def test_a_microphone_that_vanishes_ends_with_a_clear_status(virtual_microphone: Mapping[str, str]) -> None:
    with MicrophoneSource("pulse") as source:
        read_until(source, lambda media: len(sound(media)) >= 5)
        stop_sound_server(virtual_microphone)
        media = rest(source)
    assert codes(media)[-1] == "microphone.lost"
    assert "check its plug" in statuses(media)[-1].message
