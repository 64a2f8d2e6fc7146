"""Converted networks kept between starts, in the user's cache folder; losing them costs only time."""

import hashlib
import inspect
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import openvino as ov
from torch import nn

_log: Final = logging.getLogger(__name__)
_KEPT: Final = 12  # three bundles' worth
_MODEL: Final = "model.xml"
_CONVERTERS: Final = ("openvino", "torch", "transformers")


def cache_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/m2fnet-live/openvino``, in ``~/.cache`` where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "m2fnet-live" / "openvino"


def cached(network: nn.Module, layout: str, convert: Callable[[], ov.Model], core: ov.Core, folder: Path) -> ov.Model:
    """Return the converted network from ``folder``, or convert it and keep it there.

    The key covers all weights, the network's structure and source, ``layout`` and the versions of what
    converts it, so that a change to any of them is never answered with an older network.
    """
    entry = folder / _key(network, layout)
    if entry.is_dir():
        try:
            os.utime(entry)
            return core.read_model(entry / _MODEL)
        except (OSError, RuntimeError) as error:
            _log.warning("the converted network in %s can't be read (%s); it is converted again", entry, error)
            shutil.rmtree(entry, ignore_errors=True)
    model = convert()
    try:
        _keep(model, entry)
    except (OSError, RuntimeError) as error:
        _log.warning("converted networks can't be kept in %s (%s); every start will convert them", folder, error)
    return model


def _key(network: nn.Module, layout: str) -> str:
    digest = hashlib.sha256()
    sources = sorted(inspect.getsource(kind) for kind in {type(module) for module in network.modules()})
    versions = [f"{package} {version(package)}" for package in _CONVERTERS]
    for text in (*versions, platform.machine(), layout, repr(network), *sources):
        digest.update(text.encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:32]


def _keep(model: ov.Model, entry: Path) -> None:
    """Write an entry whole or not at all; only its owner may read or change it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=entry.parent) as temporary:
        fresh = Path(temporary) / "entry"
        fresh.mkdir(mode=0o700)
        ov.save_model(model, fresh / _MODEL, compress_to_fp16=False)
        if not entry.exists():
            fresh.rename(entry)
    for old in sorted(entry.parent.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
