from pathlib import Path

import numpy as np
import pytest
from small_media import FPS, TONE_HZ, number_in, numbered_video, silent_video, tone, utterance

from models.media.sound import NoSoundError, read_sound
from models.networks.faces import evenly_spaced
from trainer.data.conversation import Utterance
from trainer.features.media import FaultKind, Limits, MediaFault, decode, tally

LIMITS = Limits()


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute as IEMOCAP keeps it: an AVI with few key frames and images that refer to later ones."""
    return numbered_video(tmp_path_factory.mktemp("media") / "movie.avi", 30, sound=True)


@pytest.mark.parametrize(("start_ms", "end_ms"), [(0, 1500), (4_040, 7_000), (20_000, 22_000), (28_500, 30_000)])
def test_fifteen_images_are_sought_evenly_over_the_utterance(movie: Path, start_ms: int, end_ms: int) -> None:
    media = decode(utterance(video=movie, start_ms=start_ms, end_ms=end_ms), LIMITS)
    numbers = [number_in(frame) for frame in media.frames]
    expected = [time * FPS / 1000 for time in evenly_spaced(start_ms, end_ms)]
    assert len(numbers) == 15
    assert numbers == pytest.approx(expected, abs=2.5)  # AVI shifts its images by those that refer to later ones
    assert not media.faults


def test_the_sound_is_that_of_the_stretch(movie: Path) -> None:
    media = decode(utterance(video=movie, start_ms=15_000, end_ms=16_000), LIMITS, ["sound"])
    assert media.sound is not None
    assert media.sound.shape == (16_000,)
    assert media.sound.dtype == np.float32
    settled = media.sound[800:]  # what is cut out begins with a step, which the filter needs a moment to forget
    assert np.abs(settled).max() == pytest.approx(16 / 30, abs=0.02)  # the tone grows over the file
    assert np.abs(np.fft.rfft(media.sound)).argmax() == TONE_HZ
    assert not media.frames


def test_a_stretch_is_what_the_whole_sound_has_there(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "clip.mp4", 4, sound=True)
    whole = read_sound(path)
    assert read_sound(path, 1_000, 2_500) == pytest.approx(whole[16_000:40_000], abs=1e-3)
    assert len(read_sound(path, 9_000, 9_500)) == 0


def test_sound_without_a_stream_has_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoSoundError, match="has no sound"):
        read_sound(silent_video(tmp_path / "silent.mp4", 0.4))


def test_half_of_the_image_is_the_speakers(movie: Path) -> None:
    left, right = (decode(utterance(video=movie, start_ms=4_000, end_ms=4_500, half=half), LIMITS).frames[0]
                   for half in ("left", "right"))  # fmt: skip
    assert left.shape == right.shape == (64, 160, 3)
    assert abs(number_in(left) - 100) <= 2
    assert np.abs(left.astype(int) + right - 255).mean() < 10  # the fixture negates it


def test_a_short_utterance_has_each_image_once(movie: Path) -> None:
    frames = decode(utterance(video=movie, start_ms=8_000, end_ms=8_200), LIMITS).frames
    numbers = [number_in(frame) for frame in frames]
    assert 4 <= len(numbers) <= 6
    assert numbers == sorted(set(numbers))


def test_a_cut_sound_is_read_whole_beside_a_stretch_of_the_video(movie: Path, tmp_path: Path) -> None:
    sound = tone(tmp_path / "turn.wav", 1.25)
    cut = utterance(video=movie, sound=sound, start_ms=20_000, end_ms=21_250, sound_is_cut=True)
    media = decode(cut, LIMITS)
    assert media.sound is not None
    assert len(media.sound) == 20_000
    assert abs(number_in(media.frames[0]) - 501) <= 2


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    whole = numbered_video(folder / "whole.mp4", 2, sound=True).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a clip")
    silent_video(folder / "silent.mp4", 0.4)
    tone(folder / "blind.wav", 0.5)
    return folder


@pytest.mark.parametrize(
    ("file", "times", "sound", "images"),
    [
        ("gone.mp4", {}, "unreadable", "unreadable"),
        ("cut.mp4", {}, "unreadable", "unreadable"),
        ("empty.mp4", {}, "unreadable", "unreadable"),
        ("text.mp4", {}, "unreadable", "unreadable"),
        ("silent.mp4", {}, "no sound", None),
        ("blind.wav", {}, None, "no images"),
        ("whole.mp4", {"start_ms": 500, "end_ms": 500}, "empty", "empty"),
        ("whole.mp4", {"start_ms": 0, "end_ms": 300_000}, "too long", "too long"),
        ("whole.mp4", {"start_ms": 20_000, "end_ms": 21_000}, "no sound", "no images"),
        ("whole.mp4", {"start_ms": 1_500, "end_ms": 9_000}, "unreadable", None),
    ],
)
def test_what_is_wrong_is_named_and_the_rest_is_read(
    broken: Path, file: str, times: dict[str, int], sound: FaultKind | None, images: FaultKind | None
) -> None:
    media = decode(utterance("dia3_utt1", video=broken / file, **times), LIMITS)
    kinds = {part: fault.kind for part, fault in media.faults.items()}
    assert kinds == {part: kind for part, kind in (("sound", sound), ("images", images)) if kind is not None}
    assert (media.sound is None) == (sound is not None)
    assert (not media.frames) == (images is not None)
    for fault in media.faults.values():
        assert fault.name == "dia3_utt1"
        assert file in fault.why


def test_a_damaged_middle_costs_only_itself(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "clip.avi", 4, sound=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 300] = bytes(300)
    path.write_bytes(data)
    media = decode(utterance(video=path), LIMITS)
    assert media.sound is not None
    assert len(media.frames) > 10


def test_the_limit_of_the_length_is_a_setting(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "clip.mp4", 2, sound=True)
    assert not decode(utterance(video=path), Limits(max_seconds=3)).faults
    why = decode(utterance(video=path), Limits(max_seconds=1)).faults["sound"].why
    assert "lasts 2.0 s, more than the 1 s allowed" in why


def test_who_has_no_clip_has_no_fault() -> None:
    media = decode(Utterance("u", utterance().turn, 0), LIMITS)
    assert media.sound is None
    assert not media.frames
    assert not media.faults


def test_faults_are_counted_once_for_each_utterance() -> None:
    faults = [MediaFault("a", "x", "unreadable"), MediaFault("a", "y", "unreadable"), MediaFault("b", "z", "no sound")]
    assert tally(faults) == "1 unreadable, 1 no sound"
    assert tally([]) == ""
