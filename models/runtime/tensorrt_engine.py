"""The networks in TensorRT on an NVIDIA GPU; torch holds the buffers.

Executing has never run: no machine with a GPU was at hand. What is tested is everything up to the engine files
(:mod:`models.runtime.tensorrt_build`); the tests of the rest are marked ``gpu``. Every network is therefore run once
at the start, and an engine that fails, then or later, gives way to the next one (:mod:`models.runtime.fallback`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.runtime.engine import (
    INPUT_NAMES,
    Array,
    EngineError,
    EngineInfo,
    Outputs,
    ServedName,
    output_names,
    precision_for,
)
from models.runtime.names import PrecisionName, TensorRtName
from models.runtime.network import Network
from models.runtime.network_inputs import run_once
from models.runtime.served import load_networks
from models.runtime.tensorrt_build import PRECISIONS, load_library, make_logger, rows_of, tensorrt_plan
from models.stored_bundle import AnyBundle


class TensorRtEngine:
    """All networks are built at the start, which is kept, and read onto the GPU.

    Args:
        bundle: on the CPU in float32, and left there.
        library: ``tensorrt`` or ``tensorrt_rtx``.
        precision: ``auto`` is float16.
        folder: of the engine files; the user's cache if None.

    Raises:
        EngineError: there is no GPU, a package is missing, or a network can't be built or read.
    """

    def __init__(
        self,
        bundle: AnyBundle,
        library: TensorRtName = "tensorrt",
        precision: PrecisionName = "auto",
        folder: Path | None = None,
    ) -> None:
        if not torch.cuda.is_available():
            message = f"{library} computes on NVIDIA GPUs, and torch finds none: install the driver, or take openvino"
            raise EngineError(message)
        self.name = f"{library}-cuda"
        self._library, self._config, self._folder = library, bundle.config, folder
        self._precision = precision_for(library, precision, PRECISIONS)
        self._trt = load_library(library)
        self._logger = make_logger(self._trt)  # must outlive what is made with it
        self._runtime = self._trt.Runtime(self._logger)
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own
        self._contexts, self._seconds = load_networks(bundle, self._context)

    def _context(self, name: ServedName, network: Network) -> Any:  # noqa: ANN401 - the library has no types
        plan = tensorrt_plan(self._library, name, network, self._config, self._precision, self._folder)
        engine = self._runtime.deserialize_cuda_engine(plan)
        context = None if engine is None else engine.create_execution_context()
        if context is None:
            message = (
                f"{self._library} can't put the {name} network on the GPU ({self._logger.last_error}): "
                "close what else uses the GPU's memory, or update its driver"
            )
            raise EngineError(message)
        return context

    def warm_up(self) -> None:
        """Run every network once; see :class:`~models.runtime.engine.Engine`."""
        run_once(self, tuple(self._contexts), self._config)

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch; one larger than engines are built for is cut.

        Raises:
            EngineError: TensorRT refuses the shapes or fails.
        """
        rows = len(inputs[INPUT_NAMES[network][0]])
        *_, most = rows_of(network)
        parts = [
            self._run(network, {name: inputs[name][start : start + most] for name in INPUT_NAMES[network]})
            for start in range(0, rows, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in output_names(network, self._config)}

    def _run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        context = self._contexts[network]
        with torch.cuda.stream(self._stream):
            given = {name: torch.from_numpy(np.ascontiguousarray(array)).cuda() for name, array in inputs.items()}
            for name, tensor in given.items():
                self._bind_input(network, name, tensor)
            outputs = {name: self._bind_output(context, name) for name in output_names(network, self._config)}
            if not context.execute_async_v3(self._stream.cuda_stream):
                raise self._failure(network, "fails to compute")
            return {name: tensor.cpu().numpy() for name, tensor in outputs.items()}  # waits for the stream

    def _bind_input(self, network: ServedName, name: str, tensor: Tensor) -> None:
        context = self._contexts[network]
        if not context.set_input_shape(name, tuple(tensor.shape)):
            raise self._failure(network, f"was not built for {name} of the shape {tuple(tensor.shape)}")
        context.set_tensor_address(name, tensor.data_ptr())

    def _bind_output(self, context: Any, name: str) -> Tensor:  # noqa: ANN401 - as above
        tensor = torch.empty(tuple(context.get_tensor_shape(name)), dtype=torch.float32, device="cuda")
        context.set_tensor_address(name, tensor.data_ptr())
        return tensor

    def _failure(self, network: ServedName, what: str) -> EngineError:
        return EngineError(f"{self._library}: the {network} network {what} ({self._logger.last_error})")

    def describe(self) -> EngineInfo:
        """Return what it is and how it computes."""
        device = torch.cuda.get_device_name()
        return EngineInfo(self._library, device, self._precision, str(self._trt.__version__), self._seconds)
