"""The whole pipeline on real and on broken files: real decoding, speech detection and recognition, real faces."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest
from speech_clips import ONE_SENTENCE, TWO_SPEAKERS, TWO_SPEAKERS_WORDS, noise, silence, word_error_rate

from models.bundle import Bundle
from models.labels import LABELS
from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.analysis import AnalysisError, analyze_file
from stream.exports.formats import render
from stream.live_models import LiveModels
from stream.media import Samples
from stream.settings import Settings
from stream.speech.transcriber import Transcriber

pytestmark = pytest.mark.slow

SETTINGS = Settings()
SCHEMA = Path(__file__).parents[2] / "docs" / "analysis.schema.json"


@pytest.fixture(scope="module")
def models(bundle: Bundle) -> Iterator[LiveModels]:
    loaded = LiveModels(Runtime(bundle, TorchEngine(bundle)), Transcriber(SETTINGS.transcriber), SETTINGS.vision)
    yield loaded
    loaded.close()


def write_wav(path: Path, samples: Samples, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").repeat(channels).tobytes())
    return path


def write_video(path: Path, frames: int) -> Path:
    """Write grey frames without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(frames):
            frame = np.full((240, 320, 3), 60 + index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_one_sentence_is_one_utterance_with_words_and_voice(models: LiveModels) -> None:
    result = analyze_file(ONE_SENTENCE, models=models)
    assert len(result.utterances) == 1
    said = result.utterances[0]
    assert said.modalities == ["text", "audio"]
    assert 0 <= said.start_ms < said.end_ms <= result.duration_ms
    assert set(said.probabilities) == set(LABELS)
    assert sum(said.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert result.faces == []
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(render([result], "json", several=False)), schema)


def test_two_people_who_answer_each_other_at_once_are_cut_apart_and_no_word_is_lost(models: LiveModels) -> None:
    result = analyze_file(TWO_SPEAKERS, models=models)
    assert len(result.utterances) >= 2
    ends = [said.end_ms for said in result.utterances]
    assert all(said.start_ms >= end - 1 for said, end in zip(result.utterances[1:], ends, strict=False))
    words = " ".join(said.text for said in result.utterances)
    assert word_error_rate(TWO_SPEAKERS_WORDS, words) < 0.35


def test_the_same_file_gives_the_same_result(models: LiveModels) -> None:
    assert analyze_file(TWO_SPEAKERS, models=models) == analyze_file(TWO_SPEAKERS, models=models)


def test_silence_and_noise_give_an_empty_result(models: LiveModels, tmp_path: Path) -> None:
    for name, samples in (("silence", silence(5)), ("noise", noise(5, 0.05))):
        result = analyze_file(write_wav(tmp_path / f"{name}.wav", samples), models=models)
        assert result.utterances == []
        assert result.duration_ms == pytest.approx(5_000, abs=50)


def test_telephone_sound_in_stereo_is_heard(models: LiveModels, tmp_path: Path) -> None:
    samples = read_sound(ONE_SENTENCE)[::2]
    result = analyze_file(write_wav(tmp_path / "phone.wav", samples, rate=8_000, channels=2), models=models)
    assert len(result.utterances) == 1


def test_video_without_sound_and_faces_gives_frames_without_faces(models: LiveModels, tmp_path: Path) -> None:
    result = analyze_file(write_video(tmp_path / "grey.mp4", 20), models=models)
    assert result.utterances == []
    assert len(result.faces) >= 8
    assert all(frame.faces == [] for frame in result.faces)


def test_what_is_no_media_is_told_in_a_line(models: LiveModels, tmp_path: Path) -> None:
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("not a film\n" * 100)
    empty.touch()
    for path, words in ((text, "not a media file"), (empty, "empty"), (tmp_path / "none.mp4", "does not exist")):
        with pytest.raises(AnalysisError, match=words) as raised:
            analyze_file(path, models=models)
        assert "\n" not in str(raised.value)


def test_a_video_without_frames_is_told(models: LiveModels, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", 10).read_bytes()
    headless = tmp_path / "no_frames.avi"
    headless.write_bytes(whole[: whole.index(b"movi") + 4])
    with pytest.raises(AnalysisError) as raised:
        analyze_file(headless, models=models)
    assert "no_frames.avi" in str(raised.value)


def test_a_file_cut_in_the_middle_gives_what_is_there_and_says_so(models: LiveModels, tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "whole.wav", read_sound(TWO_SPEAKERS)).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 2])
    result = analyze_file(cut, models=models)
    assert result.utterances
    assert [warning.code for warning in result.warnings] == ["file.truncated"]
