"""GE2E's speaker encoder with the weights that Resemblyzer (Apache-2.0) carries in its package."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Final

import torch

from models.networks.speaker_encoder import SpeakerEncoder
from trainer.stages.tfjs_weights import PretrainedWeightsError

PACKAGE: Final = "Resemblyzer-0.1.4-py3-none-any.whl"
_IN_PACKAGE: Final = "resemblyzer/pretrained.pt"
_SHA256: Final = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_OURS: Final = {"lstm": "lstm", "linear": "projector"}


def pretrained_speaker_encoder(path: Path) -> SpeakerEncoder:
    """Return the encoder, for inference; what its training kept beside it is left out.

    Args:
        path: the package as ``pip download`` writes it, or the file of its weights, ``pretrained.pt``.

    Raises:
        PretrainedWeightsError: it is missing or not the one it should be.
    """
    stored = torch.load(io.BytesIO(_read(path)), map_location="cpu", weights_only=True)["model_state"]
    parts = ((name.partition("."), tensor) for name, tensor in stored.items())
    encoder = SpeakerEncoder()
    encoder.load_state_dict({f"{_OURS[layer]}.{rest}": tensor for (layer, _, rest), tensor in parts if layer in _OURS})
    return encoder.eval().requires_grad_(False)


def _read(path: Path) -> bytes:
    """Return the file of the weights, checked."""
    try:
        found = _from_package(path) if path.suffix == ".whl" else path.read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        message = f"no pretrained speaker encoder at {path} ({error}): {_HOW_TO_GET}"
        raise PretrainedWeightsError(message) from error
    if hashlib.sha256(found).hexdigest() != _SHA256:
        message = f"the weights of {path} are not those of {PACKAGE} (SHA-256): {_HOW_TO_GET}"
        raise PretrainedWeightsError(message)
    return found


def _from_package(path: Path) -> bytes:
    with zipfile.ZipFile(path) as package:
        return package.read(_IN_PACKAGE)


_HOW_TO_GET: Final = f"`pip download --no-deps resemblyzer==0.1.4` writes {PACKAGE}"
