import numpy as np
import pytest
from speech_clips import ONE_SENTENCE, chords, noise, silence

from models.media.sound import read_sound
from stream.media import Samples
from stream.speech.vad import WINDOW, SpeechDetector


def probabilities(detector: SpeechDetector, samples: Samples) -> list[float]:
    return [detector(samples[i : i + WINDOW]) for i in range(0, len(samples) - WINDOW + 1, WINDOW)]


def test_speech_is_found_where_it_is() -> None:
    found = probabilities(SpeechDetector(), read_sound(ONE_SENTENCE))
    assert max(found[:12]) < 0.35  # the clip begins with half a second without speech
    assert np.median(found[20:60]) > 0.9


@pytest.mark.parametrize("sound", [silence(3), noise(3, 0.001), noise(3, 0.1), chords(5)])
def test_other_sound_is_no_speech(sound: Samples) -> None:
    assert max(probabilities(SpeechDetector(), sound)) < 0.5


def test_reset_forgets_what_was_heard() -> None:
    speech = read_sound(ONE_SENTENCE)
    detector = SpeechDetector()
    first = probabilities(detector, speech)
    assert probabilities(detector, speech)[:3] != first[:3]
    detector.reset()
    assert probabilities(detector, speech) == first


def test_detectors_do_not_disturb_each_other() -> None:
    speech = read_sound(ONE_SENTENCE)
    alone = probabilities(SpeechDetector(), speech)
    one, other = SpeechDetector(), SpeechDetector()
    together = []
    for start in range(0, len(speech) - WINDOW + 1, WINDOW):
        together.append(one(speech[start : start + WINDOW]))
        other(noise(1, 0.1)[:WINDOW])
    assert together == alone


def test_a_window_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="512"):
        SpeechDetector()(np.zeros(500, np.float32))


def test_samples_that_are_not_finite_leave_the_state_alone() -> None:
    speech = read_sound(ONE_SENTENCE)
    detector = SpeechDetector()
    with pytest.raises(ValueError, match="not finite"):
        detector(np.full(WINDOW, np.nan, np.float32))
    assert probabilities(detector, speech) == probabilities(SpeechDetector(), speech)
