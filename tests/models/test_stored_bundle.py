"""A bundle on disk says what the loaded one does."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import with_speakers, with_whisper

from models.bundle import Bundle, save_bundle
from models.bundle_config import CONFIG, BundleError, sha256_of
from models.files.whole_file import write_whole
from models.runtime.network import StoredNetwork, identity_of, module_of
from models.runtime.served import served
from models.runtime.served_networks import served_networks
from models.stored_bundle import StoredBundle
from models.text_input import ContextFormat


@pytest.fixture
def knowing(bundle: Bundle, tmp_path: Path) -> Path:
    """A saved bundle whose voice is told against its speaker's baseline, and which tells speakers."""
    save_bundle(tmp_path / "knowing", with_speakers(with_whisper(bundle, baseline=True)), "# Knowing\n")
    return tmp_path / "knowing"


def test_it_has_what_the_loaded_one_has(knowing: Path) -> None:
    stored = StoredBundle.read(knowing)
    loaded = stored.load()
    assert stored.config == loaded.config
    assert stored.tokenizer.count("so sad") == loaded.tokenizer.count("so sad")
    ours, theirs = stored.reference(), loaded.reference()
    assert ours is not None
    assert theirs is not None
    np.testing.assert_array_equal(ours.deviations, theirs.deviations)
    np.testing.assert_array_equal(ours.weights, theirs.weights)


def test_without_baselines_there_is_no_reference(bundle_folder: Path) -> None:
    assert StoredBundle.read(bundle_folder).reference() is None


def test_all_that_the_loaded_one_serves_is_served(knowing: Path) -> None:
    stored = StoredBundle.read(knowing)
    expected, found = served_networks(stored.load()), served(stored)
    assert set(found) == set(expected)
    for name, network in found.items():
        assert isinstance(network, StoredNetwork)
        assert str(module_of(network)) == str(expected[name])
    assert len({identity_of(network) for network in found.values()}) == len(found)


def test_other_weights_are_another_network_and_what_is_not_its_own_changes_nothing(
    bundle: Bundle, bundle_folder: Path, tmp_path: Path
) -> None:
    bundle_copy = shutil.copytree(bundle_folder, tmp_path / "copy")
    save_bundle(tmp_path / "other", bundle, "# Other\n", precision="int8")
    first, copy, other = (served(StoredBundle.read(one)) for one in (bundle_folder, bundle_copy, tmp_path / "other"))
    assert all(identity_of(copy[name]) == identity_of(network) for name, network in first.items())
    changed = {name for name in first if identity_of(first[name]) != identity_of(other[name])}
    assert changed == {"text", "audio", "face", "fusion"}, "those that find faces are no part of a bundle"


def test_how_a_network_is_fed_makes_it_no_other(bundle_folder: Path) -> None:
    stored = StoredBundle.read(bundle_folder)
    text = stored.config.text.model_copy(update={"context": ContextFormat(past=1), "max_tokens": 32})
    fed = replace(stored, config=stored.config.model_copy(update={"text": text}))
    assert identity_of(served(fed)["text"]) == identity_of(served(stored)["text"])


def test_a_tokenizer_that_is_none_is_told(bundle_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle_folder, tmp_path / "copy")
    damaged = folder / "encoder" / "tokenizer.json"
    write_whole(damaged, "{}")
    config = StoredBundle.read(bundle_folder).config
    files = {**config.files, "encoder/tokenizer.json": sha256_of(damaged)}
    write_whole(folder / CONFIG, config.model_copy(update={"files": files}).model_dump_json())
    with pytest.raises(BundleError, match=r"tokenizer in .*encoder"):
        StoredBundle.read(folder)
