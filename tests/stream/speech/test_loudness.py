import numpy as np
import pytest
from speech_clips import ONE_SENTENCE, chords, noise, silence

from models.media.sound import read_voice
from stream.media import AudioChunk, Samples
from stream.speech.loudness import QUIET_DB, LevelledDetector, gain, level_db, levelled
from stream.speech.segmenter import Segmenter, UtteranceEnd
from stream.speech.vad import WINDOW, SpeechDetector
from wire.settings import SegmenterSettings


def quantised(samples: Samples, gain_db: float) -> Samples:
    """Return sound as a recorder of 16 bits keeps it with its level turned down."""
    return (np.round(samples * 10 ** (gain_db / 20) * 32_768) / 32_768).astype(np.float32)


def ends(samples: Samples) -> list[UtteranceEnd]:
    segmenter = Segmenter(SegmenterSettings(), LevelledDetector(SpeechDetector(), lambda *_: None))
    told = segmenter.push(AudioChunk(0.0, samples)) + segmenter.finish()
    return [event for event in told if isinstance(event, UtteranceEnd)]


@pytest.mark.parametrize("gain_db", [0, -30, -45, -55])
def test_speech_is_found_however_quiet_and_comes_out_audible(gain_db: float) -> None:
    (expected,) = ends(read_voice(ONE_SENTENCE))
    (end,) = ends(quantised(read_voice(ONE_SENTENCE), gain_db))
    assert end.segment.start_ms == pytest.approx(expected.segment.start_ms, abs=100)
    assert end.segment.end_ms == pytest.approx(expected.segment.end_ms, abs=200)
    windows = end.segment.samples[: len(end.segment.samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    assert max(map(level_db, windows)) > QUIET_DB - 2


@pytest.mark.parametrize("level", [1e-5, 1e-4, 1e-3, 1e-2, 0.1])
def test_no_noise_and_no_music_becomes_speech_by_being_made_louder(level: float) -> None:
    for sound in (noise(3, level), 10 * level * chords(3), np.concatenate([noise(1, level), silence(1)])):
        assert not ends(sound.astype(np.float32))


def test_a_whisper_beside_a_loud_voice_is_not_made_louder() -> None:
    taken: list[Samples] = []
    detector = LevelledDetector(lambda window: taken.append(window) or 0.0, lambda *_: None)
    for level in (0.1, 0.001):
        detector(noise(1, level)[:WINDOW])
    assert np.array_equal(taken[1], noise(1, 0.001)[:WINDOW])
    for _ in range(3_000):  # a minute and a half
        detector(noise(1, 0.001)[:WINDOW])
    assert level_db(taken[-1]) > level_db(taken[1]) + 5


def test_loud_enough_sound_is_left_as_it_is() -> None:
    samples = noise(1, 0.1)
    assert levelled(samples) is samples
    assert len(levelled(samples[:0])) == 0
    assert gain(QUIET_DB) == 1.0
    assert gain(-300.0) == pytest.approx(100.0)
