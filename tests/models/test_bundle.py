import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from full_disk import full_disk
from safetensors.torch import load_file, save_file
from tiny_bundle import tiny_bundle, with_other_branches, with_speakers

from models.bundle import MAX_FILE_BYTES, Bundle, load_bundle, require_place, save_bundle, write_speaker_encoder
from models.bundle_config import STARTER, BundleConfig, BundleError, Temperatures, Thresholds, find_bundle
from models.files.whole_file import FileError
from models.labels import LABELS
from models.networks.mobilenet import MobileNetV1
from models.networks.speech_encoder import VoiceExtractor
from models.text_input import TextPair

Change = Callable[[dict[str, torch.Tensor]], object]
MAX_STARTER_BYTES = 250_000_000


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy to damage; files are linked, so they must be replaced, never written in place."""
    folder = tmp_path / "copy"
    shutil.copytree(bundle_folder, folder, copy_function=os.link)
    return folder


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def edit_config(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    raw = json.loads((folder / "config.json").read_text())
    change(raw)
    rewrite(folder / "config.json", json.dumps(raw).encode())


def edit_weights(folder: Path, name: str, change: Change) -> None:
    """Change weights and put the right hash into the configuration: only the tensors are wrong then."""
    path = folder / f"{name}.safetensors"
    weights = load_file(path)
    change(weights)
    path.unlink()
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_config(folder, lambda raw: raw["files"].update({path.name: digest}))  # type: ignore[attr-defined]


def outputs(bundle: Bundle) -> list[torch.Tensor]:
    torch.manual_seed(3)
    ids, image = torch.randint(5, 20, (2, 9)), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        text, text_logits = bundle.text(ids, torch.ones_like(ids), torch.ones_like(ids))
        audio, audio_logits = bundle.audio(image)
        face, face_logits = bundle.face(image)
        present = torch.ones(1, 2, dtype=torch.bool)
        fused = bundle.fusion(text[None], audio[None], face[None], face[None], *[present] * 5)
    return [text, text_logits, audio, audio_logits, face, face_logits, fused]


def test_a_loaded_bundle_computes_what_the_saved_one_did_within_half_precision(bundle: Bundle) -> None:
    for saved, loaded in zip(outputs(tiny_bundle()), outputs(bundle), strict=True):
        assert loaded.dtype == torch.float32
        torch.testing.assert_close(loaded, saved, rtol=0.02, atol=0.02 * saved.std().item())


def test_a_loaded_bundle_is_ready_for_inference(bundle: Bundle) -> None:
    for network in bundle.networks().values():
        assert not network.training
        assert all(
            parameter.dtype == torch.float32 and not parameter.requires_grad for parameter in network.parameters()
        )
    assert bundle.config.temperatures.audio == 2.0
    pair = TextPair("so sad", "happy")
    assert bundle.tokenizer.rows(pair, 64) == tiny_bundle().tokenizer.rows(pair, 64)


def test_whatever_looks_at_all_that_the_encoder_has_is_not_warned_of_a_loss(bundle: Bundle) -> None:
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append  # type: ignore[method-assign]  # that is all it is to do
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    logging.Logger.warning_once.cache_clear()  # type: ignore[attr-defined]  # transformers' own, each warning once
    try:
        assert bundle.text.encoder.loss_function is None
    finally:
        logger.removeHandler(handler)
    assert told == []


def test_matrices_are_halved_on_disk_and_vectors_and_counters_kept(bundle_folder: Path) -> None:
    weights = load_file(bundle_folder / "audio.safetensors")
    assert weights["extractor.backbone.conv1.weight"].dtype == torch.float16
    assert weights["extractor.backbone.bn1.running_var"].dtype == torch.float32
    assert weights["extractor.backbone.bn1.num_batches_tracked"].dtype == torch.int64


def test_the_configuration_lists_the_hash_of_every_other_file(bundle_folder: Path) -> None:
    files = BundleConfig.model_validate_json((bundle_folder / "config.json").read_text()).files
    others = {path.relative_to(bundle_folder).as_posix() for path in bundle_folder.rglob("*") if path.is_file()}
    assert set(files) == others - {"config.json"}
    assert {"MODEL_CARD.md", "encoder/config.json", "encoder/tokenizer.json"} <= set(files)


def test_saving_replaces_an_older_bundle_and_leaves_nothing_else(copy: Path) -> None:
    save_bundle(copy, tiny_bundle(seed=1), "# Second\n")
    assert (copy / "MODEL_CARD.md").read_text() == "# Second\n"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    load_bundle(copy)


def test_a_disk_that_is_full_leaves_the_older_bundle_and_is_told(copy: Path) -> None:
    with full_disk(500_000), pytest.raises(FileError, match=r"copy can't be written .*: free some space"):
        save_bundle(copy, tiny_bundle(seed=1), "# Second\n")
    assert (copy / "MODEL_CARD.md").read_text() == "# Tiny\n"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    load_bundle(copy)


def test_a_bundle_that_can_not_take_its_place_leaves_the_older_one(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "fresh":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(copy, tiny_bundle(seed=1), "# Second\n")
    assert (copy / "MODEL_CARD.md").read_text() == "# Tiny\n"


def test_a_folder_of_something_else_is_not_replaced_by_a_bundle(tmp_path: Path, copy: Path) -> None:
    project, beside = tmp_path / "project", copy / "notes.txt"
    project.mkdir()
    (project / "thesis.tex").touch()
    with pytest.raises(FileError, match=r"holds thesis\.tex, which a bundle would replace"):
        save_bundle(project, tiny_bundle(), "")
    assert (project / "thesis.tex").exists()
    beside.touch()
    with pytest.raises(FileError, match=r"holds notes\.txt, which a bundle would replace"):
        require_place(copy)
    with pytest.raises(FileError, match="is not a folder"):
        require_place(beside)
    with pytest.raises(FileError, match="name another folder for one of them"):
        require_place(tmp_path / "bundle", work=tmp_path / "bundle" / "runs")
    beside.unlink()
    require_place(copy, work=copy.parent)
    require_place(tmp_path / "made" / "new")
    assert (tmp_path / "made").is_dir()


def test_a_bundle_too_large_is_not_saved_and_the_older_one_stays(copy: Path) -> None:
    with pytest.raises(BundleError, match=r"audio-\d+-of-\d+.safetensors, .* would exceed 1,000,000 bytes"):
        save_bundle(copy, tiny_bundle(), "# Second\n", max_file_bytes=1_000_000)
    assert (copy / "MODEL_CARD.md").read_text() == "# Tiny\n"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_half_precision_cannot_hold_are_not_saved(tmp_path: Path, value: float) -> None:
    broken = tiny_bundle()
    broken.fusion.classifier[0].weight[0, 0] = value
    with pytest.raises(BundleError, match=r"fusion has weights that are not finite .*classifier.0.weight"):
        save_bundle(tmp_path / "broken", broken, "")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_bundle_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle in .*train one with `m2fnet train starter`"):
        load_bundle(tmp_path / "nothing")


def test_another_format_version_is_refused_before_anything_else(copy: Path) -> None:
    edit_config(copy, lambda raw: (raw.update(format_version=3, new_field=1), raw.pop("labels")))
    with pytest.raises(BundleError, match="has format version 3, this program reads 1, 2"):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_configuration_that_is_no_json_object_is_refused(copy: Path, content: bytes) -> None:
    rewrite(copy / "config.json", content)
    with pytest.raises(BundleError, match=r"config.json"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda raw: raw["fusion"].update(layers=1), "fusion.layers: Unexpected keyword"),
        (lambda raw: raw["temperatures"].update(audio=0), "temperatures.audio: Input should be greater than 0"),
        (lambda raw: raw["thresholds"].update(fused=2), "thresholds.fused: Input should be less than or equal to 1"),
        (lambda raw: raw["text"].update(dim=33), "dimensions and classes don't match"),
        (lambda raw: raw.update(labels=["joy", "anger"]), "dimensions and classes don't match"),
        (lambda raw: raw.update(networks=["text", "audio"]), "lacks fusion"),
    ],
)
def test_a_wrong_configuration_is_refused_by_field(
    copy: Path, change: Callable[[dict[str, object]], object], reason: str
) -> None:
    edit_config(copy, change)
    with pytest.raises(BundleError, match=reason):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["text.safetensors", "encoder/tokenizer.json", "MODEL_CARD.md"])
def test_a_changed_file_is_refused_by_name(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    rewrite(copy / name, content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=rf"{name} in .* differs from what was saved"):
        load_bundle(copy)


def test_a_missing_file_is_refused_by_name(copy: Path) -> None:
    (copy / "audio.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lacks audio.safetensors"):
        load_bundle(copy)


def test_a_file_nobody_vouches_for_is_refused(copy: Path) -> None:
    (copy / "encoder" / "added_tokens.json").write_text("{}")
    with pytest.raises(BundleError, match=r"holds encoder/added_tokens.json, which config.json does not list"):
        load_bundle(copy)


def test_hidden_files_of_the_system_are_ignored(copy: Path) -> None:
    (copy / ".DS_Store").write_text("")
    load_bundle(copy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda weights: weights.pop("head.bias"), "it lacks head.bias"),
        (lambda weights: weights.update(tail=torch.zeros(1)), "it holds unknown tail"),
        (lambda weights: weights.update({"head.bias": torch.zeros(6)}), r"head.bias is \[6\], not \[7\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(copy: Path, change: Change, reason: str) -> None:
    edit_weights(copy, "face", change)
    with pytest.raises(BundleError, match=rf"face.safetensors does not fit its configuration: {reason}"):
        load_bundle(copy)


def test_a_file_that_is_no_safetensors_is_refused(copy: Path) -> None:
    rewrite(copy / "text.safetensors", b"not weights")
    digest = hashlib.sha256(b"not weights").hexdigest()
    edit_config(copy, lambda raw: raw["files"].update({"text.safetensors": digest}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="not a safetensors file"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["starter", None])
def test_the_programs_own_bundle_loads_and_is_small_enough_for_a_code_host(name: str | None) -> None:
    bundle = load_bundle(find_bundle(name))
    assert bundle.config.labels == LABELS
    assert bundle.config.name == "starter"
    sizes = [path.stat().st_size for path in STARTER.rglob("*") if path.is_file()]
    assert max(sizes) <= MAX_FILE_BYTES
    assert sum(sizes) <= MAX_STARTER_BYTES


def test_large_weights_are_kept_in_several_files(tmp_path: Path) -> None:
    config = save_bundle(tmp_path / "cut", tiny_bundle(), "", max_file_bytes=6_000_000)
    assert len(config.weights["audio"]) > 1
    assert max(path.stat().st_size for path in (tmp_path / "cut").rglob("*")) <= 6_000_000
    whole = save_bundle(tmp_path / "whole", tiny_bundle(), "")
    assert whole.weights["audio"] == ("audio.safetensors",)
    for one, other in zip(
        outputs(load_bundle(tmp_path / "cut")), outputs(load_bundle(tmp_path / "whole")), strict=True
    ):
        assert torch.equal(one, other)


def test_eight_bits_halve_the_files_and_hardly_change_what_is_computed(tmp_path: Path) -> None:
    save_bundle(tmp_path / "bytes", tiny_bundle(), "", precision="int8")
    save_bundle(tmp_path / "halves", tiny_bundle(), "")
    one, other = ((tmp_path / name / "face.safetensors").stat().st_size for name in ("bytes", "halves"))
    assert one < 0.55 * other
    for saved, loaded in zip(outputs(tiny_bundle()), outputs(load_bundle(tmp_path / "bytes")), strict=True):
        torch.testing.assert_close(loaded, saved, rtol=0.1, atol=0.1 * saved.std().item())


def test_a_bundle_may_lack_voice_face_and_scene(tmp_path: Path) -> None:
    config = save_bundle(tmp_path / "words", replace(tiny_bundle(), audio=None, face=None), "")
    assert config.modalities == ("text",)
    loaded = load_bundle(tmp_path / "words")
    assert (loaded.audio, loaded.face, loaded.scene) == (None, None, None)
    assert set(loaded.networks()) == {"text", "fusion"}


def test_a_bundle_may_tell_speakers_in_half_precision_whatever_the_others_have(tmp_path: Path) -> None:
    bundle = with_speakers(tiny_bundle())
    config = save_bundle(tmp_path / "speakers", bundle, "", precision="int8")
    assert config.networks[-1] == "speaker"
    assert load_file(tmp_path / "speakers" / "speaker.safetensors")["lstm.weight_hh_l0"].dtype == torch.float16
    loaded, mel = load_bundle(tmp_path / "speakers").speaker, torch.rand(2, 120, 40)
    assert loaded is not None
    assert bundle.speaker is not None
    assert (loaded(mel) * bundle.speaker(mel)).sum(dim=1).min() > 0.9999


def test_a_bundle_that_tells_no_speakers_need_not_say_so(copy: Path) -> None:
    edit_config(copy, lambda raw: raw.pop("speaker"))
    loaded = load_bundle(copy)
    assert loaded.speaker is None
    assert loaded.config.speaker.dim == 256


def test_a_speaker_encoder_is_put_into_a_bundle_and_replaced_by_another(copy: Path) -> None:
    before = load_bundle(copy)
    for seed, stem in ((0, "speaker"), (1, "voices"), (2, "voices")):
        encoder = with_speakers(before, seed).speaker
        assert encoder is not None
        assert write_speaker_encoder(copy, encoder, stem) == (f"{stem}.safetensors",)
        loaded = load_bundle(copy)
        assert loaded.speaker is not None
        torch.testing.assert_close(loaded.speaker.state_dict(), encoder.state_dict(), rtol=1e-3, atol=1e-4)
        assert loaded.config.networks == (*before.config.networks, "speaker")
        assert len(list(copy.glob("*.safetensors"))) == len(loaded.config.networks)
    for name, network in before.networks().items():
        torch.testing.assert_close(loaded.networks()[name].state_dict(), network.state_dict(), rtol=0, atol=0)


def test_a_bundle_tells_the_backbone_of_its_faces(tmp_path: Path) -> None:
    bundle = with_other_branches(tiny_bundle())
    assert save_bundle(tmp_path / "other", bundle, "").face.backbone == "mobilenet_v1_faces"
    loaded = load_bundle(tmp_path / "other").face
    assert loaded is not None
    assert isinstance(loaded.extractor.backbone, MobileNetV1)
    assert (loaded.backbone, loaded.size) == ("mobilenet_v1_faces", 48)


def test_a_bundle_that_tells_no_backbone_has_the_paper_s(copy: Path) -> None:
    raw = json.loads((copy / "config.json").read_text())
    del raw["face"]["backbone"]
    rewrite(copy / "config.json", json.dumps(raw).encode())
    assert load_bundle(copy).config.face.backbone == "resnet18"
    raw["face"]["backbone"] = "vgg"
    rewrite(copy / "config.json", json.dumps(raw).encode())
    with pytest.raises(BundleError, match=r"face\.backbone"):
        load_bundle(copy)


def test_the_fusion_is_as_sure_as_what_it_rests_on_allows() -> None:
    temperatures = Temperatures(fused=1.5, fused_by={"text+audio": 2.0})
    assert temperatures.for_modalities(["audio", "text"]) == 2.0
    assert temperatures.for_modalities(["text"]) == 1.5
    thresholds = Thresholds(fused=0.4, fused_by={"text+audio": 0.3})
    assert thresholds.for_modalities(["audio", "text"]) == 0.3
    assert thresholds.for_modalities(["text"]) == 0.4


def test_a_voice_branch_that_knows_of_speakers_is_kept_with_what_it_knows(tmp_path: Path) -> None:
    bundle = with_other_branches(tiny_bundle())
    voice = VoiceExtractor.untrained(len(LABELS), bundle.config.audio.dim, baseline=10).eval()
    voice.voice.baseline.deviations.normal_()
    audio = bundle.config.audio.model_copy(update={"baseline": 10})
    save_bundle(
        tmp_path / "voice", replace(bundle, audio=voice, config=bundle.config.model_copy(update={"audio": audio})), ""
    )
    loaded = load_bundle(tmp_path / "voice").audio
    assert isinstance(loaded, VoiceExtractor)
    kept, known = loaded.voice.baseline.reference(), voice.voice.baseline.reference()
    assert kept.deviations == pytest.approx(known.deviations, abs=1e-2)
    assert (kept.weights == known.weights).all()
