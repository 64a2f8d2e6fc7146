"""What an engine serves of a bundle: networks in memory, or told by what they are until one has to be converted."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from models.bundle_config import BundleConfig, NetworkName, sha256_of
from models.networks.mtcnn import DETECTION
from models.runtime.engine import ServedName
from models.runtime.network import Network, StoredNetwork
from models.stored_bundle import AnyBundle, StoredBundle

if TYPE_CHECKING:
    from torch import nn

Loaded = TypeVar("Loaded")

_PROGRAM: Final = ("bundle.py", "networks/*.py", "runtime/served_networks.py")


def load_networks(
    bundle: AnyBundle, load: Callable[[ServedName, Network], Loaded]
) -> tuple[dict[ServedName, Loaded], dict[ServedName, float]]:
    """Return what an engine makes of each network it serves, and how many seconds that took."""
    loaded: dict[ServedName, Loaded] = {}
    seconds: dict[ServedName, float] = {}
    for name, network in served(bundle).items():
        start = time.perf_counter()
        loaded[name] = load(name, network)
        seconds[name] = time.perf_counter() - start
    return loaded, seconds


def served(bundle: AnyBundle) -> Mapping[ServedName, Network]:
    """Return what an engine serves; networks on disk are loaded all together when the first is asked for."""
    if isinstance(bundle, StoredBundle):
        networks = cache(partial(_loaded, bundle))
        return {
            name: StoredNetwork(_identity(name, bundle.config), partial(lambda name: networks()[name], name))
            for name in _names(bundle.config)
        }
    from models.runtime.served_networks import served_networks  # noqa: PLC0415 - imports torch

    return served_networks(bundle)


def _loaded(bundle: StoredBundle) -> "dict[ServedName, nn.Module]":
    from models.runtime.served_networks import served_networks  # noqa: PLC0415 - as above

    return served_networks(bundle.load())


def _names(config: BundleConfig) -> tuple[ServedName, ...]:
    return (*config.networks, *DETECTION, *(("voice",) if config.knows_baselines else ()))


def _identity(name: ServedName, config: BundleConfig) -> str:
    """Return what tells a network on disk from all others.

    The weights are told by the hashes that the bundle was checked by, what is built of them by the configuration, and
    how by the program's own files.
    """
    if name in DETECTION:
        told: object = sha256_of(_detection_weights(name))
    else:
        part: NetworkName = "audio" if name == "voice" else cast("NetworkName", name)
        files = [*config.weight_files(part), *(_encoder_files(config) if name == "text" else ())]
        built = {"labels": True, part: {"dim"} if part == "text" else True}  # how it is fed makes no other network
        told = [config.model_dump(mode="json", include=built), [config.files.get(file) for file in files]]
    return hashlib.sha256(json.dumps([name, told, _program()], sort_keys=True).encode()).hexdigest()


def _encoder_files(config: BundleConfig) -> list[str]:
    return [file for file in sorted(config.files) if file == f"{config.text.encoder}/config.json"]


def _detection_weights(name: ServedName) -> Path:
    """Return the file of one of MTCNN's networks, found without importing its package, which would import torch."""
    spec = find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        message = "the face detector is missing: pip install -c constraints.txt -e ."
        raise FileNotFoundError(message)
    return Path(spec.origin).parent / "data" / f"{name}.pt"


@cache
def _program() -> str:
    """Return the hash of the program that builds networks in torch."""
    models = Path(__file__).parents[1]
    files = [file for pattern in _PROGRAM for file in sorted(models.glob(pattern))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
