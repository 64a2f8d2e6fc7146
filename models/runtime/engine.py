"""What an inference engine is: the networks of a bundle behind one call."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.bundle import NetworkName

Array = npt.NDArray[np.generic]

INPUT_NAMES: Final[Mapping[NetworkName, tuple[str, ...]]] = {
    "text": ("input_ids", "attention_mask", "utterance_mask"),
    "audio": ("images",),
    "face": ("images",),
    "scene": ("images",),
    "fusion": (
        "text",
        "audio",
        "face",
        "scene",
        "text_present",
        "audio_present",
        "face_present",
        "scene_present",
        "valid",
    ),
}
OUTPUT_NAMES: Final[Mapping[NetworkName, tuple[str, ...]]] = {
    "text": ("embedding", "logits"),
    "audio": ("embedding", "logits"),
    "face": ("embedding", "logits"),
    "scene": ("embedding", "logits"),
    "fusion": ("logits",),
}


class EngineError(Exception):
    """An engine can't be had on this machine; the message says why and what to do."""


class Engine(Protocol):
    """Runs the networks of one bundle; used by one thread at a time."""

    name: str

    def run(self, network: NetworkName, inputs: Mapping[str, Array]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the outputs named in ``OUTPUT_NAMES`` for a batch of the inputs named in ``INPUT_NAMES``.

        Shape:
            every array ``(batch, …)`` as the network's ``forward`` wants it, with any batch, token count,
            number of frames and window.
        """
