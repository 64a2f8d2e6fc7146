"""What engines are asked of the corpora is what the trainer judges; calibration sees training data of every label."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from test_starter import data  # noqa: F401 - a fixture
from tiny_bundle import with_other_branches

from models.bundle import Bundle
from models.bundle_config import NetworkName
from models.labels import LABELS
from models.runtime.engine import Array, Outputs
from models.runtime.torch_engine import TorchEngine
from trainer.config import starter_config
from trainer.corpora import Corpora
from trainer.dev_outputs import DevOutputs
from trainer.features.extract import extract_features
from trainer.features.extractors import Extractors
from trainer.starter.calibration_inputs import calibration_inputs, embeddings
from trainer.starter.requests import (
    LabelledEmbeddings,
    dialog_requests,
    face_requests,
    some,
    text_requests,
    voice_requests,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def corpora(data: Path, tmp_path: Path) -> Corpora:  # noqa: F811 - the fixture
    return Corpora(starter_config(data), tmp_path / "cache")


def test_an_engine_answers_what_the_trainer_hears_and_reads(bundle: Bundle, corpora: Corpora) -> None:
    extractors, engine = Extractors.of(bundle), TorchEngine(bundle)
    dev = DevOutputs(corpora, extractors)
    read = extract_features(corpora.dev, extractors, corpora.cache, modalities=["text"]).branches["text"].output
    every = np.arange(len(corpora.sounds_dev.labels))
    for name, asked, expected in (
        ("text", text_requests(bundle, corpora.dev.dialogs), read),
        ("audio", voice_requests(bundle, corpora.sounds_dev, every), dev.audio),
        ("face", face_requests(bundle, corpora.faces_dev, np.arange(len(corpora.faces_dev.labels))), dev.face),
    ):
        answers = np.concatenate([engine.run(name, inputs)["logits"] for inputs in asked.inputs])
        np.testing.assert_allclose(answers, expected.logits, atol=1e-3)
        assert len(asked.labels) == len(answers)


def test_dialogs_get_voices_and_faces_mostly_of_their_labels(bundle: Bundle, corpora: Corpora) -> None:
    config, dialogs = bundle.config.fusion, corpora.dev.dialogs
    labels = np.arange(len(LABELS))
    told = np.zeros((len(LABELS), config.audio_dim), np.float32)
    told[:, 0] = labels
    heard = LabelledEmbeddings(told, labels, ["corpus"] * len(labels))
    texts = np.zeros((sum(map(len, dialogs)), config.text_dim), np.float32)
    asked = dialog_requests(dialogs, texts, heard, heard, config, seed=0)
    assert asked.labels.tolist() == [utterance.label for dialog in dialogs for utterance in dialog]
    drawn = np.concatenate([inputs["audio"][0, :, 0] for inputs in asked.inputs])
    assert 0.4 < (drawn == asked.labels).mean() < 1.0
    for inputs, dialog in zip(asked.inputs, dialogs, strict=True):
        assert inputs["valid"].shape == (1, len(dialog))
        assert not inputs["scene_present"].any()
    again = dialog_requests(dialogs, texts, heard, heard, config, seed=0)
    np.testing.assert_array_equal(again.inputs[0]["audio"], asked.inputs[0]["audio"])


def test_calibration_is_on_training_data_of_all_labels(bundle: Bundle, corpora: Corpora) -> None:
    asked: dict[str, int] = {}
    engine = TorchEngine(bundle)

    def run(name: NetworkName, inputs: Mapping[str, Array]) -> Outputs:
        asked[name] = asked.get(name, 0) + 1
        return engine.run(name, inputs)

    found = calibration_inputs(bundle, corpora, run)
    assert {name: len(inputs) for name, inputs in found.items()} == {
        "text": 4 * len(LABELS),
        "audio": len(corpora.sounds_train.labels),
        "face": len(corpora.faces_train.labels),
        "fusion": 4,
    }  # fmt: skip
    assert set(asked) == {"text", "audio", "face"}


def test_whispers_encoder_is_not_quantised(bundle: Bundle, corpora: Corpora) -> None:
    whisper = with_other_branches(bundle)
    assert set(calibration_inputs(whisper, corpora, TorchEngine(whisper).run)) == {"text", "face", "fusion"}


def test_embeddings_come_in_order(bundle: Bundle, corpora: Corpora) -> None:
    asked, engine = text_requests(bundle, corpora.dev.dialogs), TorchEngine(bundle)
    rows = embeddings("text", asked, engine.run)
    np.testing.assert_array_equal(rows[5], engine.run("text", asked.inputs[5])["embedding"][0])


def test_some_are_drawn_once_each() -> None:
    drawn = some(range(100), 30, seed=1)
    assert len(set(drawn)) == 30
    assert some(range(100), 30, seed=1) == drawn != some(range(100), 30, seed=2)
    assert sorted(some(range(5), 30, seed=1)) == list(range(5))
