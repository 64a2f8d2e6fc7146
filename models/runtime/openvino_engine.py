"""The networks in OpenVINO, in float32: the fastest way on a CPU (benchmarks/engines.py)."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch
from torch import nn

from models.bundle import Bundle, BundleConfig, NetworkName
from models.face_image import INPUT_SIZE
from models.runtime.engine import INPUT_NAMES, OUTPUT_NAMES, Array
from models.runtime.model_cache import cache_folder, cached
from models.scene_image import SCENE_SIZE
from models.spectrogram import CHANNELS, MEL_BANDS
from models.speech_encoder import MELS

_log: Final = logging.getLogger(__name__)
_DYNAMIC_AXES: Final[Mapping[NetworkName, tuple[int, ...]]] = {
    "text": (0, 1),
    "audio": (0, -1),
    "face": (0,),
    "scene": (0,),
    "fusion": (0, 1),
}
_PICTURES: Final[Mapping[NetworkName, int]] = {"face": INPUT_SIZE, "scene": SCENE_SIZE}


class OpenVinoEngine:
    """All networks are converted and compiled at the start, so that no utterance waits for it.

    Converting takes seconds, so its result is kept (:mod:`models.runtime.model_cache`).
    """

    def __init__(self, bundle: Bundle, threads: int = 0, folder: Path | None = None) -> None:
        self.name = "openvino-cpu"
        self._core = ov.Core()
        self._options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._requests = {
            name: self._compile(name, network, bundle.config, folder or cache_folder())
            for name, network in bundle.networks().items()
        }

    def _compile(self, name: NetworkName, network: nn.Module, config: BundleConfig, folder: Path) -> ov.InferRequest:
        examples = _examples(name, config)
        layout = repr([_shape(name, example) for example in examples])
        model = cached(network, layout, lambda: _convert(name, network, examples), self._core, folder)
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()

    def run(self, network: NetworkName, inputs: Mapping[str, Array]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the network's outputs for one batch."""
        request = self._requests[network]
        request.infer([np.ascontiguousarray(inputs[name]) for name in INPUT_NAMES[network]])
        return {
            name: np.array(request.get_output_tensor(index).data) for index, name in enumerate(OUTPUT_NAMES[network])
        }


def _examples(name: NetworkName, config: BundleConfig) -> tuple[torch.Tensor, ...]:
    """Return inputs to trace with; no dynamic axis is 1, which would be taken for a constant."""
    if name == "text":
        ragged = torch.ones(2, 5, dtype=torch.int64).tril(1)  # or the tracer would leave the masking out
        return ragged, ragged, ragged
    if name == "audio":
        return (
            torch.zeros(2, MELS, 64) if config.audio.kind == "whisper" else torch.zeros(2, CHANNELS, MEL_BANDS, 64),
        )
    if name in _PICTURES:
        return (torch.zeros(2, CHANNELS, _PICTURES[name], _PICTURES[name]),)
    widths = (config.fusion.text_dim, config.fusion.audio_dim, config.fusion.face_dim, config.fusion.scene_dim)
    mask = torch.ones(2, 5, dtype=torch.bool)
    return *(torch.zeros(2, 5, width) for width in widths), *[mask] * (len(widths) + 1)


def _shape(name: NetworkName, example: torch.Tensor) -> list[int]:
    dynamic = {axis % example.dim() for axis in _DYNAMIC_AXES[name]}
    return [-1 if axis in dynamic else size for axis, size in enumerate(example.shape)]


def _convert(name: NetworkName, network: nn.Module, examples: tuple[torch.Tensor, ...]) -> ov.Model:
    _log.info("converting the %s network to OpenVINO, once for this bundle", name)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer: the parity tests check what it doubts
        model = ov.convert_model(network, example_input=examples)
    ports = zip(model.inputs, examples, strict=True)
    model.reshape({port: ov.PartialShape(_shape(name, example)) for port, example in ports})
    return model
