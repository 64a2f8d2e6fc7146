"""What is noted comes back as it was."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stream.jpeg import jpeg_size
from stream.media import VideoFrame
from stream.recording.format import (
    STEP,
    AnalysisSettings,
    AnalyzedFrameStep,
    EndStep,
    FrameStep,
    PollStep,
    RecordingError,
    SkippedFrameStep,
    SoundStep,
    Step,
    TranscriptStep,
    line_of,
    read_about,
    read_lines,
)
from stream.recording.session import NumberedFrame, as_jpeg
from stream.settings import ServerSettings, Settings
from stream.speech.transcript import Transcript, Word
from wire.events import EVENT
from wire.media import MediaKind, MediaMessage, decode_samples
from wire.pcm import from_pcm, to_pcm

times = st.floats(0, 1e9)
texts = st.text(max_size=20)
words = st.tuples(texts, times, times, st.floats(0, 1))
STEPS = st.one_of(
    st.builds(SoundStep, session=texts, time_ms=times, samples=st.integers(0, 10**6), offset_ms=st.none() | times),
    st.builds(FrameStep, session=texts, time_ms=times, frame=st.integers(0), offset_ms=st.none() | times),
    st.builds(PollStep, session=texts),
    st.builds(EndStep, session=texts),
    st.builds(
        TranscriptStep,
        session=texts,
        asked=st.integers(0),
        start_ms=times,
        text=texts,
        words=st.lists(words, max_size=4),
        rejected=st.none() | texts,
        doubted=st.none() | texts,
        failed=st.none() | texts,
        dropped=st.booleans(),
    ),
    st.builds(AnalyzedFrameStep, session=texts, frame=st.integers(0), interval_ms=st.integers(0)),
    st.builds(SkippedFrameStep, session=texts, frame=st.integers(0), failed=st.none() | texts),
)


@given(STEPS)
def test_a_step_is_one_line_and_comes_back_exactly(step: Step) -> None:
    line = line_of(step)
    assert "\n" not in line
    assert STEP.validate_json(line) == step


@given(
    st.lists(st.builds(Word, texts, times, times, st.floats(0, 1)), max_size=4), st.none() | texts, st.none() | texts
)
def test_a_transcript_comes_back_exactly(said: list[Word], rejected: str | None, doubted: str | None) -> None:
    transcript = Transcript("so it is", tuple(said), "en", rejected, doubted)
    line = line_of(TranscriptStep.of("a", 3, 40.5, transcript))
    step = STEP.validate_json(line)
    assert isinstance(step, TranscriptStep)
    assert step.transcript == transcript


@given(arrays(np.int16, st.integers(0, 50)))
def test_sound_that_came_as_16_bit_is_recorded_without_loss(samples: np.ndarray) -> None:
    data = samples.astype("<i2").tobytes()
    assert to_pcm(from_pcm(data)) == data
    if data:
        sent = decode_samples(MediaMessage(MediaKind.PCM_S16, 0, data))
        np.testing.assert_array_equal(sent, from_pcm(to_pcm(sent)))


@given(arrays(np.float32, st.integers(0, 50), elements=st.floats(-1, 1, width=32)))
def test_other_sound_is_as_it_is_recorded(samples: np.ndarray) -> None:
    once = from_pcm(to_pcm(samples))
    np.testing.assert_array_equal(from_pcm(to_pcm(once)), once)
    assert np.abs(once - samples).max(initial=0) <= 1 / 32_768


def test_a_frame_is_analyzed_as_it_is_recorded() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    data = as_jpeg(VideoFrame(0, image))
    frame = NumberedFrame(0, data, 7)
    assert as_jpeg(frame) is data, "what came as JPEG is not encoded a second time"
    assert frame._decoded is None
    assert np.abs(frame.image.astype(int) - image).mean() < 80
    assert (frame.number, jpeg_size(data)) == (7, (64, 48))


def test_of_the_server_nothing_is_kept() -> None:
    settings = Settings(server=ServerSettings(host="secret.example"))
    kept = AnalysisSettings.of(settings)
    assert "secret" not in kept.model_dump_json()
    assert AnalysisSettings.model_validate_json(kept.model_dump_json()).whole() == Settings()


def test_a_last_line_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    lines = [line_of(PollStep(session=name)) for name in "abc"]
    file = tmp_path / "steps.jsonl"
    file.write_text("\n".join(lines))
    assert [step.session for step in read_lines(file, STEP)] == ["a", "b"]
    assert list(read_lines(tmp_path / "none", STEP)) == []


def test_a_line_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"type": "faces"}\n')
    with pytest.raises(RecordingError, match=r"events.jsonl, line 1 can't be understood"):
        list(read_lines(file, EVENT))


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "is no recording"), ("{", "damaged"), ('{"version": 2}', "another version")],
)
def test_what_is_no_recording_is_told_in_a_line(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "recording.json").write_text(text)
    with pytest.raises(RecordingError, match=why) as told:
        read_about(tmp_path)
    assert "\n" not in str(told.value)


def test_a_recording_from_before_faces_spoke_is_replayed_without() -> None:
    now = AnalysisSettings.of(Settings()).model_dump(mode="json")
    assert AnalysisSettings.model_validate(now).vision.speaking_face == "auto"
    del now["vision"]["speaking_face"]
    assert AnalysisSettings.model_validate(now).vision.speaking_face == "off"
