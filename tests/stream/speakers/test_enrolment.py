"""Whoever is enrolled is called by name, on whatever engine; a file that tells no voice is refused with a reason."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from speech_clips import ONE_SENTENCE
from tiny_bundle import tiny_bundle, with_speakers

from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.settings import SpeakersSettings
from stream.speakers.enrolment import EnrolmentError, enrolled_voice
from stream.speakers.telling_apart import telling_apart
from stream.speakers.who import OneSpeaker, Who
from stream.speech.sound import Sound


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    bundle = with_speakers(tiny_bundle())
    with Runtime(bundle, TorchEngine(bundle)) as started:
        yield started


def who(runtime: Runtime, settings: SpeakersSettings) -> Who:
    return telling_apart(runtime, settings, "Ana", pytest.fail, lambda _: None, session="")


def test_a_voice_is_many_windows_of_unit_length(runtime: Runtime) -> None:
    voice = enrolled_voice(ONE_SENTENCE, runtime, "")
    assert len(voice) > 1
    assert np.linalg.norm(voice, axis=1) == pytest.approx(1, abs=1e-4)


def test_who_is_enrolled_is_called_by_name(runtime: Runtime) -> None:
    told = who(runtime, SpeakersSettings(enrolled={"Ben": ONE_SENTENCE}))
    speech = Sound(read_sound(ONE_SENTENCE), 0.0)
    told.begin(0.0)
    told.follow(0.0, speech.end_ms, speech.between)
    told.end(speech.end_ms, speech.between)
    assert told.of(0, 0.0, speech.end_ms) == "Ben"


def test_a_file_in_which_nobody_speaks_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    silent = tmp_path / "silent.wav"
    with wave.open(str(silent), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(64_000))
    with pytest.raises(EnrolmentError, match="no speech"):
        who(runtime, SpeakersSettings(enrolled={"Ben": silent}))


def test_no_more_are_enrolled_than_are_told_apart(runtime: Runtime) -> None:
    with pytest.raises(EnrolmentError, match="raise it"):
        who(runtime, SpeakersSettings(most=1, enrolled={"Ben": ONE_SENTENCE, "Cleo": ONE_SENTENCE}))


@pytest.mark.parametrize("text", ["Ben", "=voice.wav", "Ben=", "Ben=nothere.wav"])
def test_what_names_no_file_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        SpeakersSettings.model_validate({"enrolled": text})


def test_each_line_enrols_somebody() -> None:
    text = f"Ben={ONE_SENTENCE}\nDr. Cleo = Jr={ONE_SENTENCE}"
    with pytest.raises(ValidationError):
        SpeakersSettings.model_validate({"enrolled": text})
    enrolled = SpeakersSettings.model_validate({"enrolled": f"Ben={ONE_SENTENCE}\nDr. Cleo={ONE_SENTENCE}"}).enrolled
    assert enrolled == {"Ben": ONE_SENTENCE, "Dr. Cleo": ONE_SENTENCE}


def test_nobody_is_told_apart_where_that_is_not_wanted_or_not_known_how(runtime: Runtime) -> None:
    assert isinstance(who(runtime, SpeakersSettings(tell_apart=False)), OneSpeaker)
    plain = tiny_bundle()
    with Runtime(plain, TorchEngine(plain)) as deaf:
        assert isinstance(who(deaf, SpeakersSettings()), OneSpeaker)
