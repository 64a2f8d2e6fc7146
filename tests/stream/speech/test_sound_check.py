import numpy as np
import pytest

from stream.speech.sound_check import SoundCheck

SECOND = 32  # windows


def codes(check: SoundCheck, *, spoken: bool = True, ended: bool = False) -> list[str]:
    return [warning.code for warning in check.news(spoken=spoken, ended=ended)]


def talk(check: SoundCheck, speech_db: float, pause_db: float, seconds: int = 3) -> None:
    for _ in range(seconds):
        for _ in range(SECOND):
            check.window(speech_db, 0.95)
        for _ in range(SECOND):
            check.window(pause_db, 0.02)


@pytest.mark.parametrize(
    ("speech_db", "pause_db", "told"),
    [(-20, -50, []), (-20, -31, []), (-20, -27, ["sound.background"]), (-60, -80, ["sound.quiet"]), (-20, -200, [])],
)
def test_what_is_wrong_is_told_at_the_end_of_an_utterance_and_once(
    speech_db: float, pause_db: float, told: list[str]
) -> None:
    check = SoundCheck()
    talk(check, speech_db, pause_db)
    assert codes(check) == told
    talk(check, speech_db, pause_db)
    assert codes(check) == codes(check, spoken=False, ended=True) == []


def test_too_little_of_speech_or_pauses_tells_nothing_of_the_background() -> None:
    check = SoundCheck()
    talk(check, -20, -200)
    for _ in range(3):
        check.window(-21, 0.02)
    assert codes(check) == []


def test_the_quiet_voice_after_a_loud_one_has_half_a_minute_behind_it() -> None:
    check = SoundCheck()
    talk(check, -20, -90)
    talk(check, -60, -90, seconds=20)
    assert codes(check) == []
    talk(check, -60, -90, seconds=20)
    assert codes(check) == ["sound.quiet"]


@pytest.mark.parametrize(("level_db", "told"), [(-70, ["sound.quiet"]), (-200, []), (-30, [])])
def test_very_quiet_sound_in_which_nobody_was_heard_is_told_at_its_end(level_db: float, told: list[str]) -> None:
    check = SoundCheck()
    for _ in range(60 * SECOND):
        check.window(level_db, 0.01)
        assert codes(check, spoken=False) == []
    assert codes(check, spoken=False, ended=True) == told


@pytest.mark.parametrize(("level", "told"), [(0.9, []), (1.5, []), (6.0, ["sound.clipped"])])
def test_sound_that_stands_at_full_scale_is_overdriven(level: float, told: list[str]) -> None:
    check = SoundCheck()
    voice = 0.25 * level * np.random.default_rng(0).standard_normal(3 * 16_000)
    check.take(np.clip(voice, -1, 1).astype(np.float32))
    talk(check, -15, -60)
    assert codes(check) == told
