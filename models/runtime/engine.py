"""What an inference engine is: the networks of a bundle, and those that find faces, behind one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from models.bundle_config import BundleConfig, NetworkName
from models.networks.mtcnn import DetectionName
from models.runtime.names import Precision, PrecisionName
from models.user_error import UserError

Array = npt.NDArray[np.generic]
Outputs = dict[str, npt.NDArray[np.float32]]
ServedName = NetworkName | Literal["voice"] | DetectionName

INPUT_NAMES: Final[Mapping[ServedName, tuple[str, ...]]] = {
    "text": ("input_ids", "attention_mask", "utterance_mask"),
    "audio": ("images",),
    "voice": ("statistics", "offset", "count"),
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
    "speaker": ("mel",),
    "pnet": ("images",),
    "rnet": ("images",),
    "onet": ("images",),
}
OUTPUT_NAMES: Final[Mapping[ServedName, tuple[str, ...]]] = {
    "text": ("embedding", "logits"),
    "audio": ("embedding", "logits"),
    "voice": ("embedding", "logits"),
    "face": ("embedding", "logits"),
    "scene": ("embedding", "logits"),
    "fusion": ("logits",),
    "speaker": ("embedding",),
    "pnet": ("regression", "scores"),
    "rnet": ("regression", "scores"),
    "onet": ("regression", "landmarks", "scores"),
}


def output_names(name: ServedName, config: BundleConfig) -> tuple[str, ...]:
    """Return what a network gives; a voice branch that knows of speakers' baselines also what they are kept of."""
    told = ("statistics",) if name == "audio" and config.audio.baseline else ()
    return (*OUTPUT_NAMES[name], *told)


class EngineError(UserError):
    """An engine can't be had on this machine; the message says why and what to do."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is and how it computes.

    Attributes:
        engine: its name in the settings, but never ``auto``.
        device: ``cpu``, or the GPU's name.
        precision: of the computation; inputs and outputs are always float32.
        version: of the library that computes.
        load_seconds: what each network took to be converted, compiled or read.
    """

    engine: str
    device: str
    precision: Precision
    version: str
    load_seconds: Mapping[ServedName, float]


class Engine(Protocol):
    """Runs the networks of :func:`models.runtime.served.served`; used by one thread at a time.

    The constructor loads all networks, converting and compiling them where needed, and raises EngineError.
    """

    @property
    def name(self) -> str:
        """Return the engine and the kind of its device, such as ``openvino-cpu``."""

    def warm_up(self) -> None:
        """Run every network once, so that no first utterance waits for memory or late compilation.

        Raises:
            EngineError: an output is not finite.
        """

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the outputs named by :func:`output_names` for a batch of the inputs named in ``INPUT_NAMES``.

        Shape:
            every array ``(batch, …)`` as the network's ``forward`` wants it, with any batch, token count,
            number of frames, window and, for ``pnet``, height and width.
        """

    def describe(self) -> EngineInfo:
        """Return what it is and how it computes."""


def precision_for(engine: str, wanted: PrecisionName, possible: Sequence[Precision]) -> Precision:
    """Return the precision an engine computes in; ``auto`` is the first possible one.

    Raises:
        EngineError: it can't compute in the one wanted.
    """
    if wanted == "auto":
        return possible[0]
    if wanted not in possible:
        others = " or ".join(("auto", *possible))
        message = f"{engine} does not compute in {wanted} here: set runtime.precision to {others}"
        raise EngineError(message)
    return wanted
