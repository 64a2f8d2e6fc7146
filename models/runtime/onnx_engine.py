"""The networks in ONNX Runtime, on the CPU or, with its GPU package, an NVIDIA GPU (which has not been tried)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types

from models.runtime.engine import (
    Array,
    EngineInfo,
    Outputs,
    ServedName,
    output_names,
    precision_for,
)
from models.runtime.names import Precision, PrecisionName
from models.runtime.network import Network
from models.runtime.network_inputs import run_once
from models.runtime.onnx_models import onnx_model
from models.runtime.served import load_networks
from models.stored_bundle import AnyBundle

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_ON_CPU: Final[tuple[Precision, ...]] = ("float32",)  # its processor kernels know no other
_ON_CUDA: Final[tuple[Precision, ...]] = ("float32", "float16")


class OnnxRuntimeEngine:
    """All networks are exported at the start, which takes seconds and is kept, and loaded.

    Args:
        bundle: in memory on the CPU in float32, or on disk.
        threads: of the CPU; 0 lets ONNX Runtime choose.
        folder: of the exported networks; the user's cache if None.
        precision: ``auto`` is float32; float16 is for GPUs.

    Raises:
        EngineError: the package onnx is missing, or the precision is not for this device.
    """

    def __init__(
        self, bundle: AnyBundle, threads: int = 0, folder: Path | None = None, precision: PrecisionName = "auto"
    ) -> None:
        self._on_gpu = _CUDA in onnxruntime.get_available_providers()
        self.name = "onnxruntime-cuda" if self._on_gpu else "onnxruntime-cpu"
        self._config, self._folder = bundle.config, folder
        self._precision = precision_for("onnxruntime", precision, _ON_CUDA if self._on_gpu else _ON_CPU)
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._sessions, self._seconds = load_networks(bundle, self._session)

    def _session(self, name: ServedName, network: Network) -> onnxruntime.InferenceSession:
        model = onnx_model(name, network, self._config, self._precision, self._folder)
        providers = [_CUDA, _CPU] if self._on_gpu else [_CPU]
        return onnxruntime.InferenceSession(model, self._options, providers=providers)

    def warm_up(self) -> None:
        """Run every network once; see :class:`~models.runtime.engine.Engine`."""
        run_once(self, tuple(self._sessions), self._config)

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch."""
        session = self._sessions[network]
        # The exporter leaves out an input that no output depends on.
        given = {port.name: np.ascontiguousarray(inputs[port.name]) for port in session.get_inputs()}
        names = output_names(network, self._config)
        return dict(zip(names, session.run(names, given), strict=True))

    def describe(self) -> EngineInfo:
        """Return what it is and how it computes."""
        device = "cuda" if self._on_gpu else "cpu"
        return EngineInfo("onnxruntime", device, self._precision, onnxruntime.__version__, self._seconds)
