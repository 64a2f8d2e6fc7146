from pathlib import Path

import numpy as np
import pytest
from tiny_corpora import tiny_csv

from trainer.data.registry import load_conversations
from trainer.features.cache import FeatureBlock, load_block, save_block
from trainer.features.conversation_media import conversation_scenes, conversation_sounds
from trainer.features.extract import FeatureSettings
from trainer.features.media import MediaFault


def test_arrays_of_any_lengths_come_back_from_the_disk(tmp_path: Path) -> None:
    fault = MediaFault("b", "cut off", "unreadable")
    kept = [{"sound": np.arange(3, dtype=np.int16)}, None, {"sound": np.arange(5, dtype=np.int16)}]
    save_block(FeatureBlock(kept, [fault]), tmp_path / "block")
    found = load_block(tmp_path / "block")
    assert found is not None
    read = [None if value is None else value["sound"].tolist() for value in found.values]
    assert read == [[0, 1, 2], None, [0, 1, 2, 3, 4]]
    assert list(found.faults) == [fault]


def test_a_block_in_which_nothing_has_media(tmp_path: Path) -> None:
    save_block(FeatureBlock([None, None]), tmp_path / "block")
    found = load_block(tmp_path / "block")
    assert found is not None
    assert list(found.values) == [None, None]


def test_a_damaged_block_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "block").write_bytes(b"half a file")
    assert load_block(tmp_path / "block") is None
    assert load_block(tmp_path / "none") is None


@pytest.mark.slow
def test_sound_and_images_of_conversations_with_their_labels(tmp_path: Path) -> None:
    conversations = load_conversations("csv", tiny_csv(tmp_path / "own"), "train")
    settings = FeatureSettings(workers=1)
    first, again = (conversation_sounds(conversations, tmp_path / "cache", settings) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first.samples, again.samples, strict=True))
    assert first.classes == conversations.labels
    assert first.labels.tolist() == [utterance.label for utterance in conversations.utterances]
    scenes = conversation_scenes(conversations, 2, tmp_path / "cache", settings)
    assert scenes.pixels.shape == (2 * len(conversations.utterances), 160, 160, 3)
    assert scenes.labels[::2].tolist() == first.labels.tolist()
