from collections.abc import Sequence

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.media.downmix import Downmix
from models.media.resample import Resampler

RATE = 16_000
STEREO = np.array([0.5, 0.5], np.float32)


def talk(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Noise of a speech-like kind that swells and pauses."""
    at = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(at))
    return (0.1 * noise * np.maximum(0, np.sin(2 * np.pi * 1.5 * at))).astype(np.float32)


def hiss(seconds: float = 2.0, level: float = 0.001, seed: int = 9) -> np.ndarray:
    return (level * np.random.default_rng(seed).normal(size=round(seconds * RATE))).astype(np.float32)


def mixed(channels: Sequence[np.ndarray], usual: np.ndarray | None = None) -> np.ndarray:
    count = len(channels)
    downmix = Downmix(np.full(count, 1 / count, np.float32) if usual is None else usual, RATE)
    return np.concatenate([downmix.push(np.stack(channels)), downmix.flush()])


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_healthy_stereo_is_mixed_as_ever() -> None:
    left, right = talk(seed=1), talk(seed=2)
    for channels in ([left, left], [left, right], [left, 0.5 * left + 0.5 * right], [left, 0 * left]):
        assert mixed(channels) == pytest.approx(0.5 * channels[0] + 0.5 * channels[1], abs=1e-6)


@pytest.mark.parametrize("other", [-1.0, -0.98, -0.7, -0.5])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_channels_that_cancel_are_not_mixed(other: float, noise: float) -> None:
    said, common = talk(), hiss(level=noise or 1e-9)
    heard = mixed([said + common, other * said + common])
    assert abs(likeness(heard, said)) > 0.95
    assert np.std(heard) > 0.9 * np.std(said)


def test_offsets_and_rumble_do_not_hide_that_channels_cancel() -> None:
    said = talk()
    rumble = 0.3 * np.sin(2 * np.pi * 30 * np.arange(len(said)) / RATE).astype(np.float32) + 0.2
    heard = mixed([said + rumble, -said + rumble])
    assert np.std(heard) > np.std(said)
    assert likeness(np.diff(heard), np.diff(said)) > 0.95


@pytest.mark.parametrize("count", [3, 6, 8, 9, 16, 20, 60])
def test_one_channel_of_many_is_heard_as_if_alone(count: int) -> None:
    said = talk()
    for at in (0, count // 2, count - 1):
        channels = [said if index == at else hiss(level=1e-4, seed=index) for index in range(count)]
        heard = mixed(channels)
        assert likeness(heard, said) > 0.99
        assert np.std(heard) > (0.9 if count > 4 else 0.3) * np.std(said)


def test_two_of_many_who_speak_are_both_heard() -> None:
    one, other = talk(seed=1), talk(seed=2)
    heard = mixed([one, *[0 * one] * 14, other])
    assert likeness(heard, one + other) > 0.95


def test_who_speaks_after_another_in_another_channel_is_heard() -> None:
    said, pause = talk(), np.zeros(2 * RATE, np.float32)
    channels = [np.concatenate([said, pause]), np.concatenate([pause, said]), *[np.zeros(4 * RATE, np.float32)] * 14]
    assert likeness(mixed(channels), np.concatenate([said, said])) > 0.95


def test_a_change_of_the_mix_makes_no_click() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE).astype(np.float32)
    heard = mixed([tone, np.concatenate([tone[:RATE], -tone[RATE:]])])
    assert np.abs(np.diff(heard)).max() < 1.5 * np.abs(np.diff(tone)).max()


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=30))
def test_the_mix_does_not_depend_on_the_pieces(sizes: list[int]) -> None:
    said = talk(0.5)
    sound = np.stack([said, np.concatenate([said[:4_000], -said[4_000:]])])
    downmix, at, pieces = Downmix(STEREO, RATE), 0, []
    for size in sizes:
        pieces.append(downmix.push(sound[:, at : at + size]))
        at += size
    pieces += [downmix.push(sound[:, at:]), downmix.flush()]
    assert np.array_equal(np.concatenate(pieces), mixed(list(sound), STEREO))


def resampled(sound: np.ndarray, layout: str, form: str, channel: int = 0) -> np.ndarray:
    """Return ``(channels, samples)`` after the whole way."""
    whole = {"s16": 32_767, "s32": 2**31 - 128, "u8": 127, "flt": 1.0, "fltp": 1.0, "s16p": 32_767, "dbl": 1.0}[form]
    kind = {"s16": np.int16, "s16p": np.int16, "s32": np.int32, "u8": np.uint8, "dbl": np.float64}.get(form, np.float32)
    given = sound.astype(np.float64) * whole + (128 if form == "u8" else 0)
    resampler, pieces = Resampler(channel), []
    for start in range(0, sound.shape[1], 1_024):
        piece = given[:, start : start + 1_024].astype(kind)
        frame = av.AudioFrame(form, layout, piece.shape[1])
        frame.sample_rate = RATE
        # PyAV tells of more planes than there are, from eight channels on.
        for plane, samples in zip(frame.planes, piece if form.endswith("p") else [piece.T], strict=False):
            plane.update(np.ascontiguousarray(samples).tobytes().ljust(plane.buffer_size, b"\0"))
        pieces.append(resampler.push(frame))
    return np.concatenate([*pieces, resampler.flush()])


@pytest.mark.parametrize("form", ["u8", "s16", "s16p", "s32", "flt", "fltp", "dbl"])
def test_every_format_gives_the_same_sound(form: str) -> None:
    said = talk()
    heard = resampled(said[None], "mono", form)
    assert heard == pytest.approx(said, abs=0.01)
    cancelling = resampled(np.stack([said, -said]), "stereo", form)
    assert abs(likeness(cancelling, said)) > 0.99


@pytest.mark.parametrize("form", ["s16", "fltp"])
@pytest.mark.parametrize(
    "layout", ["stereo", "5.1", "7.1", "hexadecagonal", "9 channels", "20 channels", "60 channels"]
)
def test_the_channels_of_every_layout_are_heard(layout: str, form: str) -> None:
    said = talk(0.7)
    count = av.AudioLayout(layout).nb_channels
    for at in range(count) if count <= 8 else (0, count // 2, count - 1):
        sound = np.zeros((count, len(said)), np.float32)
        sound[at] = said
        heard = resampled(sound, layout, form)
        assert likeness(heard, said) > 0.98
        assert np.std(heard) > 0.2 * np.std(said)


def test_one_channel_can_be_chosen() -> None:
    one, other = talk(seed=1), talk(seed=2)
    sound = np.stack([one, other])
    assert likeness(resampled(sound, "stereo", "s16", channel=2), other) > 0.99
    assert likeness(resampled(sound, "stereo", "s16", channel=3), one + other) > 0.99


def test_what_is_no_number_is_silence() -> None:
    sound = np.stack([talk(), talk()])
    sound[0, 1_000:1_100] = np.nan
    sound[1, 2_000] = np.inf
    assert np.isfinite(resampled(sound, "stereo", "flt")).all()
