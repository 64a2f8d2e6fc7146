"""The starter bundle's whole training on tiny corpora under their official names, with the real Whisper encoder."""

import csv
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import save_tiny_encoder

from models.bundle import Bundle, load_bundle
from models.bundle_config import BundleError
from models.labels import LABELS
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from trainer.config import TrainConfig, starter_config
from trainer.evaluation.render import percent
from trainer.pipeline import train_starter
from trainer.stages.face_metrics import MAJORITY
from trainer.starter.face_rows import FACE, face_row_name
from trainer.starter.report import AUDIO, FUSED_TEXT
from trainer.training import kept_branches

RAVDESS = {
    "neutral": "01",
    "surprise": "08",
    "fear": "06",
    "sadness": "04",
    "joy": "03",
    "disgust": "07",
    "anger": "05",
}
OTHERS = {  # a training and a dev speaker's clip of each further corpus
    "emodb": ["03a01Wa", "09a01Nb"],
    "nemo": ["EB0_surprised_1", "SM0_anger_2"],
    "emovo": ["gio-m1-b1", "neu-f3-n1"],
    "crema_d": ["1001_IEO_HAP_HI", "1005_DFA_SAD_XX"],
    "ased": ["h3-02-01-02-01", "n1-01-01-01-06"],
    "emospeech_india": ["004_fear_bacho_001", "010_anger_no_012"],
}


VOTED = {  # FER+'s raters saw what the labels say
    "votes": 10 * np.tile(np.eye(7, dtype=np.int8), (10, 1)),
    "vote_names": np.array(LABELS),
    "matched": np.ones(70, bool),
}


def write_tone(path: Path, pitch: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 8000 * np.sin(2 * np.pi * pitch * np.arange(17_000) / 16_000)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(tone.astype("<i2").tobytes())


def write_meld(folder: Path, split: str) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"{split}_sent_emo.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"])
        writer.writerows(
            [f"i am so {label}", "Anna", label, dialog, index]
            for dialog in range(4)
            for index, label in enumerate(LABELS)
        )


def write_faces(folder: Path, split: str, **more: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    labels = np.tile(np.arange(7), 10)
    pixels = np.random.default_rng(0).integers(0, 255, (70, 48, 48)).astype(np.uint8)
    np.savez(folder / f"{split}.npz", pixels=pixels, label=labels.astype(np.int8), classes=np.array(LABELS), **more)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    for split in ("train", "dev"):
        write_meld(root / "meld", split)
        write_faces(root / "fer2013", split, **VOTED)
    write_faces(root / "faces_press", "train", person=np.arange(70))
    for index, code in enumerate(RAVDESS.values()):
        for speaker in ("01", "17"):
            write_tone(root / "ravdess" / f"03-01-{code}-01-01-01-{speaker}.wav", 200 + 100 * index)
    for corpus, names in OTHERS.items():
        for index, name in enumerate(names):
            write_tone(root / corpus / f"{name}.wav", 300 + 300 * index)
    return root


def settings(data: Path, encoder: Path) -> TrainConfig:
    once = [f"{stage}.fit.epochs=1" for stage in ("text", "visual", "audio", "fusion")]
    small = ["text.frozen_layers=1", "text.batch=4", "visual.batch=16", "visual.small_epochs=1"]
    small += ["speaker.pretrained=null", "visual.pretrained=null"]
    small += ["visual.small_size=32", "audio.batch=4", "audio.views=2", "fusion.batch=2"]
    return starter_config(data, [f"text.encoder={encoder}", "text.fit.select=accuracy", *once, *small])


@pytest.mark.slow
def test_the_starter_is_trained_judged_and_loaded_by_the_live_runtime(data: Path, tmp_path: Path) -> None:
    out, chosen = tmp_path / "bundle", settings(data, save_tiny_encoder(tmp_path / "encoder"))
    report = train_starter(chosen, tmp_path / "runs", out, lambda _: "i am so happy")
    bundle = load_bundle(out)
    assert bundle.config.audio.kind == "whisper"
    assert set(bundle.config.temperatures.fused_by) == {
        "text", "audio", "face", "text+audio", "text+face", "audio+face", "text+audio+face",
    }  # fmt: skip
    assert set(bundle.config.thresholds.fused_by) == set(bundle.config.temperatures.fused_by)
    assert bundle.config.thresholds.fused == bundle.config.thresholds.fused_by["text+audio+face"]
    assert report.scores(FUSED_TEXT).uncertain is not None
    assert report.scores(AUDIO).uncertain is None
    assert "told as uncertain" in (out / "MODEL_CARD.md").read_text()
    heard = {row.name.network for row in report.rows if row.name.network.startswith(f"{AUDIO}, ")}
    assert heard == {f"{AUDIO}, {name}" for name in ("ravdess", *OTHERS)}
    assert bundle.config.face.backbone == "mobilenet_v1_faces"
    demanded = {check.demand.split(":")[0] for check in report.checks()}
    assert {
        face_row_name("fer2013", ""),
        face_row_name("fer2013", MAJORITY),
        face_row_name("faces_press", ""),
    } < demanded
    assert percent(report.scores(FACE).accuracy) in (out / "MODEL_CARD.md").read_text()
    with Runtime(bundle, TorchEngine(bundle)) as runtime:
        heard = runtime.audio(np.zeros(20_000, np.float32)).result(60)
    assert heard is not None
    assert heard.embedding.shape == (300,)
    again = train_starter(chosen, tmp_path / "runs", out, lambda _: "i am so happy")
    assert again == report, "what is trained already is taken as it is"

    kept = kept_branches(bundle, ("text", "audio"), chosen)
    train_starter(chosen, tmp_path / "more", tmp_path / "second", lambda _: "i am so happy", kept)
    second = load_bundle(tmp_path / "second")
    for name in ("text", "audio"):
        torch.testing.assert_close(getattr(second, name).state_dict(), getattr(bundle, name).state_dict())
    assert not (tmp_path / "more" / "text").exists()
    assert not (tmp_path / "more" / "audio").exists()
    assert (tmp_path / "more" / "visual" / "best.pt").exists()


def test_branches_are_kept_only_of_a_bundle_of_the_starters_kind(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="not of the starter's kind"):
        kept_branches(bundle, ["text"], starter_config(Path("data")))
