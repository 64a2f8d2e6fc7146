import numpy as np
import pytest

from trainer.stages import microphones
from trainer.stages.microphones import Change, heard_elsewhere

RATE = 16_000
CHANGES = [
    microphones.room,
    microphones.noise,
    microphones.microphone,
    microphones.telephone,
    microphones.overdriven,
    microphones.quiet,
]


def voice(seconds: float = 1.0, pitch: float = 1000.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time) * np.minimum(1, time * 20)).astype(np.float32)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean() + 1e-20))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("samples", [voice(), np.zeros(RATE, np.float32)])
def test_whatever_is_heard_stays_sound_of_the_same_length(change: Change, samples: np.ndarray) -> None:
    heard = change(samples, np.random.default_rng(0))
    assert heard.shape == samples.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("change", [change for change in CHANGES if change is not microphones.telephone])
def test_one_generator_is_one_place_and_another_is_another(change: Change) -> None:
    first, same, other = (change(voice(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (first == same).all()
    assert not np.allclose(first, other)


def test_a_room_goes_on_after_the_voice_has_ended() -> None:
    spoken = np.concatenate([voice(0.5), np.zeros(RATE // 2, np.float32)])
    echoed = microphones.room(spoken, np.random.default_rng(0))
    assert level_db(echoed[RATE // 2 : RATE // 2 + 800]) > level_db(spoken) - 40


def test_noise_is_as_far_below_the_voice_as_it_says() -> None:
    for seed in range(5):
        added = microphones.noise(voice(), np.random.default_rng(seed)) - voice()
        assert 2.5 < level_db(voice()) - level_db(added) < 30.5


def test_a_telephone_passes_the_middle_of_a_voice_alone() -> None:
    for pitch in (100.0, 6000.0):
        assert level_db(microphones.telephone(voice(pitch=pitch), np.random.default_rng(0))) < -60
    middle = microphones.telephone(voice(), np.random.default_rng(0))
    assert level_db(middle) == pytest.approx(level_db(voice()), abs=0.5)


def test_what_is_too_loud_is_cut_off_and_what_is_too_quiet_is_coarse() -> None:
    loud, low = (change(voice(), np.random.default_rng(3)) for change in (microphones.overdriven, microphones.quiet))
    assert np.abs(loud).max() == 1
    assert np.count_nonzero(np.abs(loud) == 1) > 100
    assert len(np.unique(low)) < 2000
    assert -61 < 20 * np.log10(np.abs(low).max()) < -29


def test_a_place_is_the_same_for_all_that_is_said_there() -> None:
    """The steps that are taken do not depend on how long the sound is."""
    for seed in range(6):
        long, short = (
            heard_elsewhere(np.pad(voice(0.5), (0, size)), np.random.default_rng(seed)) for size in (RATE, 0)
        )
        changed = [level_db(heard[1600:7000]) for heard in (long, short)]
        assert changed[0] == pytest.approx(changed[1], abs=1.5)
