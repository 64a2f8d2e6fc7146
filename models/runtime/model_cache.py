"""Converted networks kept between starts, in the user's cache folder; losing them costs only time."""

import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Generic, TypeVar

from models.runtime.network import Network, identity_of
from models.runtime.readiness import require_time

_log: Final = logging.getLogger(__name__)
_KEPT: Final = 27  # three bundles' worth
_HASHES: Final = "SHA256SUMS"

Model = TypeVar("Model")


@dataclass(frozen=True)
class ModelFormat(Generic[Model]):
    """How one kind of converted network is kept.

    Attributes:
        name: of the kind, and of its folder.
        suffix: of its file, such as ``.onnx``; ``write`` may put others beside it.
        packages: the installed distributions that decide what converting gives.
        read: returns what was written; it may raise OSError or RuntimeError.
        write: the same.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    read: Callable[[Path], Model]
    write: Callable[[Model, Path], None]

    @property
    def file(self) -> str:
        """Return the name of the file in an entry of the cache."""
        return f"model{self.suffix}"


def bytes_format(name: str, suffix: str, packages: tuple[str, ...]) -> ModelFormat[bytes]:
    """Return how a converted network that is one file's contents is kept."""
    return ModelFormat(name, suffix, packages, Path.read_bytes, _write_bytes)


def _write_bytes(model: bytes, path: Path) -> None:
    path.write_bytes(model)


def cache_folder(kind: str) -> Path:
    """Return ``$XDG_CACHE_HOME/m2fnet-live/KIND``, in ``~/.cache`` where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "m2fnet-live" / kind


def cached(
    network: Network, layout: str, convert: Callable[[], Model], form: ModelFormat[Model], folder: Path | None = None
) -> Model:
    """Return the converted network from the cache, or convert it and keep it there.

    The key covers the network's identity (:func:`~models.runtime.network.identity_of`), ``layout`` and the versions of
    what converts it, so that a change to any of them is never answered with an older network.

    Args:
        network: in memory on the CPU, or on disk.
        layout: whatever else decides what converting gives: shapes, precision, device.
        convert: called where the cache has nothing.
        form: how it is kept.
        folder: of the cache; the user's for this form if None.

    Raises:
        NotReadyError: it has to be converted, and nobody waits for that.
    """
    entry = _entry(network, layout, form, folder)
    found = _read(entry, form)
    if found is not None:
        return found
    require_time(f"converting a network for {form.name}")
    model = convert()
    try:
        _keep(model, form, entry)
    except (OSError, RuntimeError) as error:
        _log.warning("converted networks can't be kept in %s (%s); every start will convert them", entry.parent, error)
    return model


def kept(network: Network, layout: str, form: ModelFormat[Model], folder: Path | None = None) -> Model | None:
    """Return the converted network from the cache, as :func:`cached` does, None where the cache has nothing."""
    return _read(_entry(network, layout, form, folder), form)


def keep(model: Model, network: Network, layout: str, form: ModelFormat[Model], folder: Path | None = None) -> None:
    """Put a converted network into the cache, in the place of the one that may be there.

    Raises:
        OSError: it can't be written.
        RuntimeError: the same.
    """
    entry = _entry(network, layout, form, folder)
    shutil.rmtree(entry, ignore_errors=True)
    _keep(model, form, entry)


def _entry(network: Network, layout: str, form: ModelFormat[Model], folder: Path | None) -> Path:
    return (folder or cache_folder(form.name)) / _key(network, layout, form)


def _read(entry: Path, form: ModelFormat[Model]) -> Model | None:
    """Return what an entry holds; None if there is none, or it is damaged and removed."""
    if not entry.is_dir():
        return None
    try:
        _verify(entry)
        os.utime(entry)
        return form.read(entry / form.file)
    except (OSError, RuntimeError) as error:
        _log.warning("the converted network in %s can't be read (%s); it is converted again", entry, error)
        shutil.rmtree(entry, ignore_errors=True)
        return None


def _key(network: Network, layout: str, form: ModelFormat[Model]) -> str:
    versions = [f"{package} {version(package)}" for package in form.packages]
    told = json.dumps([*versions, platform.machine(), layout, identity_of(network)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _keep(model: Model, form: ModelFormat[Model], entry: Path) -> None:
    """Write an entry whole or not at all; only its owner may read or change it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=entry.parent) as temporary:
        fresh = Path(temporary) / "entry"
        fresh.mkdir(mode=0o700)
        form.write(model, fresh / form.file)
        (fresh / _HASHES).write_text(_hashes(fresh), encoding="utf-8")
        if not entry.exists():
            fresh.rename(entry)
    for old in sorted(entry.parent.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _hashes(entry: Path) -> str:
    """Return the entry's files as ``sha256sum`` lists them."""
    lines = []
    for path in sorted(entry.iterdir()):
        if path.name != _HASHES:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


def _verify(entry: Path) -> None:
    if (entry / _HASHES).read_text(encoding="utf-8") != _hashes(entry):
        message = "its files are not what was written"
        raise OSError(message)
