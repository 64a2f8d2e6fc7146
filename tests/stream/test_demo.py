"""What `make demo` shows: the starter bundle on the clip of the repository."""

from contextlib import closing
from pathlib import Path

import pytest

from stream.analysis import analyze_file
from stream.exports.results import AnalysisResult
from stream.live_models import LiveModels
from stream.settings import Settings

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
MAX_BYTES = 3_000_000
TELEPHONE_MS = 26_000  # where two people begin to speak on one line
DIANE_MS, SHEILA_MS = 31_500, 35_000  # in the middle of what they say their names in


def test_the_clip_is_small() -> None:
    assert CLIP.stat().st_size <= MAX_BYTES


@pytest.fixture(scope="module")
def result() -> AnalysisResult:
    with closing(LiveModels.load(Settings())) as models:
        return analyze_file(CLIP, models=models)


@pytest.mark.slow
def test_the_two_on_the_telephone_are_told_apart(result: AnalysisResult) -> None:
    on_the_line = [said for said in result.utterances if said.start_ms >= TELEPHONE_MS]
    assert len({said.speaker for said in on_the_line}) == 2
    diane, sheila = (
        next(said.speaker for said in on_the_line if said.start_ms <= time_ms < said.end_ms)
        for time_ms in (DIANE_MS, SHEILA_MS)
    )
    assert diane != sheila


@pytest.mark.slow
def test_the_demo_has_utterances_of_several_emotions_with_words_voice_and_face(result: AnalysisResult) -> None:
    assert len(result.utterances) >= 4
    assert len({said.label for said in result.utterances}) > 1
    assert any(said.modalities == ["text", "audio", "face"] for said in result.utterances)
    assert any(said.modalities == ["text", "audio"] for said in result.utterances), "the telephone call has no frame"
    assert any(len(frame.faces) == 1 for frame in result.faces)
    assert result.warnings == []
