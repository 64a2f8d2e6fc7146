"""A network to be served: told from all others without being loaded, since converted ones are mostly there already."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A network that is on disk.

    Attributes:
        identity: what tells it from all others: its weights, what it is built of, and the program that builds it.
        load: returns it in torch, on the CPU in float32.
    """

    identity: str
    load: "Callable[[], nn.Module]"


Network = Union["nn.Module", StoredNetwork]


def module_of(network: Network) -> "nn.Module":
    """Return a network in torch, loaded if it is not."""
    return network.load() if isinstance(network, StoredNetwork) else network


def identity_of(network: Network) -> str:
    """Return what tells a network from all others; of one in memory its weights, structure and source."""
    if isinstance(network, StoredNetwork):
        return network.identity
    digest = hashlib.sha256(repr(network).encode())
    for source in sorted(inspect.getsource(kind) for kind in {type(module) for module in network.modules()}):
        digest.update(source.encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()
