"""Reading the weights of a TensorFlow.js model: a manifest in JSON, and files of numbers one after the other."""

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.user_error import UserError

Weights = dict[str, npt.NDArray[Any]]
"""Arrays by the names that the model's graph has for them."""

_TYPES: Final = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "bool": np.dtype("bool")}


class PretrainedWeightsError(UserError):
    """Pretrained weights are missing or not what they should be; the message says what to do."""


def read_tfjs_weights(manifest: bytes, read: Callable[[str], bytes]) -> Weights:
    """Return all weights of a model.

    Args:
        manifest: the model's JSON file.
        read: returns the contents of a file that is named in it.

    Raises:
        PretrainedWeightsError: it is no such manifest, has weights of another type, or the files are too short or long.
    """
    try:
        groups = json.loads(manifest)["weightsManifest"]
        return {name: array for group in groups for name, array in _group(group, read).items()}
    except (KeyError, TypeError, ValueError) as error:
        message = f"not a whole TensorFlow.js model ({error}): get it again"
        raise PretrainedWeightsError(message) from error


def _group(group: dict[str, Any], read: Callable[[str], bytes]) -> Weights:
    stored, start = b"".join(map(read, group["paths"])), 0
    found: Weights = {}
    for entry in group["weights"]:
        kind, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
        count = int(np.prod(shape))
        found[entry["name"]] = np.frombuffer(stored, kind, count, start).reshape(shape)
        start += count * kind.itemsize
    if start != len(stored):
        message = f"{len(stored) - start} bytes are left over"
        raise ValueError(message)
    return found
