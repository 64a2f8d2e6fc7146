"""A retrained bundle takes the place of the old one under the old one's names."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_bundle import tiny_bundle

from models.bundle import load_bundle, save_bundle

pytestmark = pytest.mark.slow

PUT = runpy.run_path(str(Path(__file__).resolve().parent.parent / "scripts" / "put_bundle.py"))["put"]


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """A bundle whose files have names of their own."""
    folder = tmp_path / "there"
    config = save_bundle(folder, tiny_bundle(), "old", precision="int8")
    (folder / "face.safetensors").rename(folder / "expressions.safetensors")
    (folder / "encoder").rename(folder / "words")
    names = {
        name.replace("face.s", "expressions.s").replace("encoder/", "words/"): digest
        for name, digest in config.files.items()
    }
    weights = {**config.weights, "face": ("expressions.safetensors",)}
    text = config.text.model_copy(update={"encoder": "words"})
    moved = config.model_copy(update={"files": names, "weights": weights, "text": text})
    (folder / "config.json").write_text(moved.model_dump_json())
    load_bundle(folder)
    return folder


def test_only_what_was_trained_anew_is_replaced_and_names_stay(renamed: Path, tmp_path: Path) -> None:
    kept, other = load_bundle(renamed), tiny_bundle(seed=1)
    assert other.face is not None
    save_bundle(tmp_path / "new", replace(kept, face=other.face), "new", precision="int8")
    changed = PUT(tmp_path / "new", renamed)
    assert [name for name in changed if name.endswith(".safetensors")] == ["expressions.safetensors"]
    found, new = load_bundle(renamed), load_bundle(tmp_path / "new")
    for name, network in new.networks().items():
        torch.testing.assert_close(found.networks()[name].state_dict(), network.state_dict(), rtol=0, atol=0)
    assert (renamed / "MODEL_CARD.md").read_text() == "new"
    assert not (renamed / "face.safetensors").exists()


def test_what_the_new_bundle_lacks_goes(renamed: Path, tmp_path: Path) -> None:
    save_bundle(tmp_path / "new", replace(load_bundle(renamed), face=None), "new", precision="int8")
    PUT(tmp_path / "new", renamed)
    assert not (renamed / "expressions.safetensors").exists()
    assert load_bundle(renamed).face is None
