"""What `make demo` shows: the starter bundle on the clip of the repository."""

from contextlib import closing
from pathlib import Path

import pytest

from stream.analysis import analyze_file
from stream.live_models import LiveModels
from stream.settings import Settings

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
MAX_BYTES = 3_000_000


def test_the_clip_is_small() -> None:
    assert CLIP.stat().st_size <= MAX_BYTES


@pytest.mark.slow
def test_the_demo_has_utterances_of_several_emotions_with_words_voice_and_face() -> None:
    with closing(LiveModels.load(Settings())) as models:
        result = analyze_file(CLIP, models=models)
    assert len(result.utterances) >= 4
    assert len({said.label for said in result.utterances}) > 1
    assert any(said.modalities == ["text", "audio", "face"] for said in result.utterances)
    assert any(said.modalities == ["text", "audio"] for said in result.utterances), "the telephone call has no frame"
    assert any(len(frame.faces) == 1 for frame in result.faces)
    assert result.warnings == []
