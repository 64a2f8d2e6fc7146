import json
import re
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_bundle, with_other_branches
from typer.testing import CliRunner

import cli
import models.bundle_config
from models.bundle import Bundle, save_bundle
from models.labels import LABELS
from models.media.spectrogram import SAMPLE_RATE
from models.networks.speech_encoder import VoiceExtractor
from models.text_input import ContextFormat
from trainer.data.meld import load_meld
from trainer.evaluation.conversations import branch_rows, fused_row, read_conversations
from trainer.evaluation.evaluate import EvaluationRequest, Recogniser, evaluate
from trainer.evaluation.views import VIEWS

runner = CliRunner()

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
DIALOGS = (("neutral", "joy", "anger"), ("sadness", "surprise"), ("fear",))
KEYS = {"weighted_f1", "macro_f1", "accuracy", "unweighted_accuracy", "ece", "per_class", "confusion", "n"}


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    rows = [
        f'1,"So {emotion}, Anna.",Ben,{emotion},neutral,{dialog},{place},1,1,"00:00:01,000","00:00:02,000"\n'
        for dialog, emotions in enumerate(DIALOGS)
        for place, emotion in enumerate(emotions)
    ]
    folder = tmp_path / "meld"
    folder.mkdir()
    (folder / "test_sent_emo.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = runner.invoke(cli.app, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.output


def test_meld_is_scored_from_its_csv_alone(bundle_folder: Path, meld: Path, tmp_path: Path) -> None:
    out, cache = tmp_path / "scores.json", tmp_path / "cache"
    arguments = ("--bundle", bundle_folder, "--dataset", "meld", "--root", meld, "--cache", cache)
    code, told = run(*arguments, "--split", "test", "--modalities", "text", "--json", out)
    assert code == 0, told
    found = json.loads(out.read_text())
    assert set(found) >= KEYS
    assert found["n"] == 6
    assert found["row"]["view"] == "at the moment"
    assert np.sum(found["confusion"]) == 6
    assert found["notes"] == []
    networks = [(row["network"], row["view"]) for row in found["rows"]]
    assert networks == [
        ("fusion", "at the moment"),
        ("fusion", "after the next"),
        ("fusion", "full context"),
        ("text branch", "at the moment"),
    ]


def test_what_is_absent_is_said_and_all_forms_are_written(bundle_folder: Path, meld: Path, tmp_path: Path) -> None:
    forms = {f"--{name}": tmp_path / f"out.{name}" for name in ("markdown", "csv", "json")}
    document = tmp_path / "results.md"
    document.write_text("before\n<!-- begin: m2fnet evaluate#tiny -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    code, told = run(
        *("--bundle", bundle_folder, "--dataset", "meld", "--root", meld, "--grid"),
        *("--cache", tmp_path / "cache", "--figures", tmp_path / "figures", "--write", f"{document}#tiny"),
        *(word for form in forms.items() for word in form),
    )
    assert code == 0, told
    assert "no audio, face, scene" in told
    assert all(path.stat().st_size for path in forms.values())
    assert len(list((tmp_path / "figures").iterdir())) == 3
    before, table, after = re.split(r"<!-- .* -->\n", document.read_text(encoding="utf-8"))
    assert (before, after) == ("before\n", "after\n")
    assert "| fusion | text | at the moment |" in table
    assert "; data: meld test; seed: " in table


def test_json_on_standard_output_is_alone_there(bundle_folder: Path, meld: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        cli.app,
        [
            *("evaluate", "--bundle", str(bundle_folder), "--dataset", "meld", "--root", str(meld)),
            *("--cache", str(tmp_path / "cache"), "--json", "-"),
        ],
    )
    assert json.loads(result.stdout)["n"] == 6
    assert "wF1" in result.stderr


def test_later_turns_are_read_only_once_they_are_there(bundle: Bundle, meld: Path, tmp_path: Path) -> None:
    text = bundle.config.text.model_copy(update={"context": ContextFormat(past=1, future=1)})
    reading = replace(bundle, config=bundle.config.model_copy(update={"text": text}))
    read = read_conversations(reading, load_meld(meld, "test"), tmp_path)
    rows = [fused_row(reading, read, ("text",), view) for view in VIEWS] + branch_rows(reading, read, ("text",))
    assert [row.name.view for row in rows if row.name.network == "text branch"] == ["at the moment", "full context"]
    moment, after, full = (row.scores.ece for row in rows[:3])
    assert moment != after
    assert after == pytest.approx(full), "this network looks back only, and its text one turn ahead"


def test_labels_that_the_bundle_does_not_know_are_told(bundle_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("dialog,utterance,speaker,text,label\n0,0,Anna,so bored,boredom\n", encoding="utf-8")
    code, told = run("--bundle", bundle_folder, "--dataset", "csv", "--root", tmp_path, "--split", own)
    assert code == 1
    assert "boredom" in told


def test_own_conversations_are_read_from_a_path(bundle_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("dialog,utterance,speaker,text,label\n0,0,Anna,so happy,joy\n0,1,Ben,what,surprise\n")
    out = tmp_path / "scores.json"
    code, told = run(
        *("--bundle", bundle_folder, "--dataset", "csv", "--root", tmp_path, "--split", own),
        *("--json", out, "--cache", tmp_path / "cache"),
    )
    assert code == 0, told
    assert json.loads(out.read_text())["n"] == 2


def tone(path: Path, seconds: float, pitch: float = 220) -> None:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((8000 * np.sin(2 * np.pi * pitch * time)).astype("<i2").tobytes())


def test_a_clip_that_cannot_be_read_is_named_and_the_rest_scored(bundle_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "ravdess"
    for emotion in ("01", "03", "05"):
        tone(root / f"03-01-{emotion}-01-01-01-17.wav", 0.5)
    (root / "03-01-06-01-01-01-17.wav").write_bytes(b"RIFF nothing")
    (root / "03-01-07-01-01-01-17.wav").write_bytes(b"")
    out = tmp_path / "scores.json"
    code, told = run("--bundle", bundle_folder, "--dataset", "ravdess", "--root", root, "--split", "dev", "--json", out)
    assert code == 0, told
    found = json.loads(out.read_text())
    assert found["n"] == 3
    assert any("2 of 5 clips were skipped" in note and "03-01-06" in note for note in found["notes"])
    assert any("has no surprise" in note for note in found["notes"])


def test_voices_are_scored_without_a_history_and_after_some_of_what_their_speakers_said(tmp_path: Path) -> None:
    bundle = with_other_branches(tiny_bundle())
    audio = bundle.config.audio.model_copy(update={"baseline": 10})
    voice = VoiceExtractor.untrained(len(LABELS), audio.dim, baseline=10)
    config = bundle.config.model_copy(update={"audio": audio})
    save_bundle(tmp_path / "bundle", replace(bundle, audio=voice, config=config), "")
    for speaker in ("17", "18"):
        for number, emotion in enumerate(("01", "01", "05")):
            tone(tmp_path / "ravdess" / f"03-01-{emotion}-01-01-0{number}-{speaker}.wav", 0.5, 200 + 100 * number)
    out = tmp_path / "scores.json"
    arguments = ("--dataset", "ravdess", "--root", tmp_path, "--split", "dev", "--json", out)
    code, told = run("--bundle", tmp_path / "bundle", *arguments)
    assert code == 0, told
    found = json.loads(out.read_text())
    assert [row["view"] for row in found["rows"]] == ["", "after 8 utterances", "after 8 neutral utterances"]
    for place, key in enumerate(["", "_after_8", "_after_8_neutral"]):
        assert found[f"unweighted_accuracy{key}"] == found["rows"][place]["unweighted_accuracy"]


def test_a_branch_without_baselines_has_no_accuracy_after_a_history(bundle_folder: Path, tmp_path: Path) -> None:
    for emotion in ("01", "03", "05"):
        tone(tmp_path / "ravdess" / f"03-01-{emotion}-01-01-01-17.wav", 0.5)
    out = tmp_path / "scores.json"
    arguments = ("--dataset", "ravdess", "--root", tmp_path, "--split", "dev", "--json", out)
    code, told = run("--bundle", bundle_folder, *arguments)
    assert code == 0, told
    found = json.loads(out.read_text())
    assert found["unweighted_accuracy_after_8"] is None
    assert found["unweighted_accuracy_after_8_neutral"] is None
    assert any("no history" in note for note in found["notes"])


def test_faces_are_scored_by_name_of_their_class(bundle_folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 48, 48), np.uint8)
    classes = np.array(["happy", "angry"])
    np.savez(tmp_path / "held-out.npz", pixels=pixels, label=np.array([0, 1, 1, 0], np.int8), classes=classes)
    out = tmp_path / "scores.json"
    code, told = run(
        *("--bundle", bundle_folder, "--dataset", "fer2013", "--root", tmp_path),
        *("--split", tmp_path / "held-out.npz", "--json", out),
    )
    assert code == 0, told
    found = json.loads(out.read_text())
    assert [found["per_class"][name]["support"] for name in ("joy", "anger")] == [2, 2]
    assert found["labels"] == list(LABELS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bundle", "starter"], "missing --dataset"),
        (["--dataset", "meld", "starter", "--data", "x"], "come after it"),
        (["--dataset", "imagenet"], "imagenet"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], told: str) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert told in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--modalities", "smell"], "unknown modality 'smell'"),
        (["--modalities", "audio"], "has no audio"),
        (["--split", "dev"], "dev"),
        (["--asr"], "--asr needs the clips"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    bundle_folder: Path, meld: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    code, output = run(
        *("--bundle", bundle_folder, "--dataset", "meld", "--root", meld, "--cache", tmp_path / "c"), *arguments
    )
    assert code == 1
    assert told in " ".join(output.split())
    assert "foreseen" not in output


def test_the_starter_is_scored_where_no_bundle_is_named(
    bundle_folder: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.bundle_config, "STARTER", bundle_folder)
    out = tmp_path / "scores.csv"
    code, told = run(
        "--dataset", "meld", "--root", meld, "--cache", tmp_path / "c", "--modalities", "text", "--csv", out
    )
    assert code == 0, told
    assert out.read_text(encoding="utf-8").startswith("\ufeffnetwork,")


@pytest.mark.parametrize(
    ("option", "place", "told"),
    [
        ("--csv", "meld/test_sent_emo.csv", "is also what is read"),
        ("--json", "bundle/scores.json", "lies in the folder of a bundle"),
        ("--figures", "bundle/figures", "lies in the folder of a bundle"),
        ("--csv", "none/scores.csv", "make it first"),
        ("--figures", "meld/test_sent_emo.csv/x", "can't be written"),
        ("--json", "same", "is named for two outputs"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_work(
    bundle_folder: Path, meld: Path, tmp_path: Path, option: str, place: str, told: str
) -> None:
    (tmp_path / "bundle").symlink_to(bundle_folder)
    before = (meld / "test_sent_emo.csv").read_bytes()
    arguments = ("--bundle", tmp_path / "bundle", "--dataset", "meld", "--root", meld, "--cache", tmp_path / "c")
    code, output = run(*arguments, option, tmp_path / place, "--markdown", tmp_path / "same")
    assert code == 1
    assert told in " ".join(output.split())
    assert (meld / "test_sent_emo.csv").read_bytes() == before
    assert not (tmp_path / "same").exists()


@pytest.mark.slow
def test_clips_give_every_row_and_recognised_words(bundle_folder: Path, tmp_path: Path) -> None:
    from tiny_corpora import tiny_meld  # noqa: PLC0415 - reads the demo clip

    root = tiny_meld(tmp_path / "meld")
    heard = Recogniser("always the same", lambda _: "never again")
    found = evaluate(
        EvaluationRequest((bundle_folder,), "meld", root, "test", tmp_path / "cache", grid=True, recogniser=heard)
    )
    words = {row.name.words for row in found.rows}
    given = [
        row.name.modalities for row in found.rows if row.name.network == "fusion" and row.name.words != "recognised"
    ]
    assert words == {"gold", "recognised", ""}
    assert {"text", "audio", "face", "text + audio", "text + face", "audio + face", "text + audio + face"} == set(given)
    assert {"text branch", "audio branch", "face branch"} <= {row.name.network for row in found.rows}
