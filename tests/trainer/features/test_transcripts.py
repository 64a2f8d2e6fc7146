from pathlib import Path

import numpy as np
import pytest
from small_media import conversations, silent_video, tone, utterance

from trainer.data.conversation import Conversations
from trainer.features import blocks
from trainer.features.extract import FeatureSettings
from trainer.features.transcripts import transcripts


class Recogniser:
    """Says how long the sound is; of what is long it hears nothing."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, sound: np.ndarray) -> str:
        self.calls += 1
        return "" if len(sound) > 12_000 else f" heard   {len(sound)} samples\n"


@pytest.fixture
def split(tmp_path: Path) -> Conversations:
    return conversations(
        utterance("a", sound=tone(tmp_path / "a.wav", 0.5)),
        utterance("b", video=silent_video(tmp_path / "b.mp4", 0.4)),
        utterance("c", sound=tone(tmp_path / "c.wav", 1.0)),
    )


def test_the_words_heard_take_the_place_of_the_text(split: Conversations, tmp_path: Path) -> None:
    heard = transcripts(split, Recogniser(), "echo", tmp_path / "cache")
    assert [item.turn.text for item in heard.utterances] == ["heard 8000 samples", "", ""]
    assert [(item.name, item.turn.speaker, item.label, item.clip) for item in heard.utterances] == [
        (item.name, item.turn.speaker, item.label, item.clip) for item in split.utterances
    ]
    assert [(skipped.name, skipped.why.rpartition("/")[2]) for skipped in heard.skipped] == [
        ("b", "b.mp4 has no sound")
    ]


def test_nothing_is_heard_twice_by_the_same_recogniser(split: Conversations, tmp_path: Path) -> None:
    ears = Recogniser()
    first = transcripts(split, ears, "echo", tmp_path / "cache")
    assert transcripts(split, ears, "echo", tmp_path / "cache", FeatureSettings(frames=3, workers=1)) == first
    assert ears.calls == 2
    transcripts(split, ears, "another", tmp_path / "cache")
    assert ears.calls == 4


def test_an_interrupted_run_goes_on_where_it_stopped(
    split: Conversations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1)
    ears = Recogniser()

    def impatient(sound: np.ndarray) -> str:
        if ears.calls == 1:
            raise KeyboardInterrupt
        return ears(sound)

    with pytest.raises(KeyboardInterrupt):
        transcripts(split, impatient, "echo", tmp_path / "cache")
    half_written = next((tmp_path / "cache").rglob("*.safetensors")).with_name(".half.safetensors")
    half_written.write_text('{"values": ["ne')
    whole = transcripts(split, ears, "echo", tmp_path / "cache")
    assert ears.calls == 2
    assert whole.utterances[0].turn.text == "heard 8000 samples"
