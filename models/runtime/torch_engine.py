"""The networks as they are, in torch, on the CPU or an NVIDIA GPU."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor, nn

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
from models.runtime.names import Precision, PrecisionName
from models.runtime.network import Network, module_of
from models.runtime.network_inputs import run_once
from models.runtime.served import load_networks
from models.stored_bundle import AnyBundle

_TYPES: Final[Mapping[Precision, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_ON_CPU: Final[tuple[Precision, ...]] = ("float32", "bfloat16")  # processors have no fast half precision


class TorchEngine:
    """Runs the bundle's own modules, or copies of them where the device or the precision is another.

    With ``compiled`` they go through torch.compile, on a GPU with CUDA graphs: the first batches take a minute, which
    is what ``warm_up`` is for. That mode has run on a CPU only.

    Args:
        bundle: on the CPU in float32, and left there.
        device: ``cpu`` or ``cuda``.
        threads: of the CPU; 0 leaves torch's own choice.
        precision: ``auto`` is float32.
        compiled: see above; it needs a C++ compiler, on a GPU Triton.

    Raises:
        EngineError: the precision is not for this device.
    """

    def __init__(
        self,
        bundle: AnyBundle,
        device: str = "cpu",
        threads: int = 0,
        precision: PrecisionName = "auto",
        *,
        compiled: bool = False,
    ) -> None:
        self._kind = "torch-compiled" if compiled else "torch"
        self.name = f"{self._kind}-{device}"
        self._config, self._device, self._compiled = bundle.config, torch.device(device), compiled
        self._precision = precision_for("torch", precision, _ON_CPU if device == "cpu" else tuple(_TYPES))
        if threads:
            torch.set_num_threads(threads)
        self._networks, self._seconds = load_networks(bundle, self._placed)

    def _placed(self, _: ServedName, served: Network) -> nn.Module:
        network = module_of(served)
        if self._device.type != "cpu" or self._precision != "float32":
            network = deepcopy(network).to(self._device, _TYPES[self._precision])
        if not self._compiled:
            return network.eval()
        mode = "reduce-overhead" if self._device.type == "cuda" else "default"
        return cast("nn.Module", torch.compile(network.eval(), mode=mode, dynamic=True))

    def warm_up(self) -> None:
        """Run every network once; see :class:`~models.runtime.engine.Engine`.

        Raises:
            EngineError: torch can't compile a network here, or an output is not finite.
        """
        if not self._compiled:
            run_once(self, tuple(self._networks), self._config)
            return
        from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 - takes a second, for this alone
        from torch._inductor.exc import InductorError  # noqa: PLC0415 - as above

        try:
            run_once(self, tuple(self._networks), self._config)
        except (TorchDynamoException, InductorError) as error:
            reason = str(error).strip().partition("\n")[0]
            message = (
                f"torch can't compile the networks ({reason}): install a C++ compiler, or set runtime.engine to torch"
            )
            raise EngineError(message) from error

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch."""
        tensors = [self._input(inputs[name]) for name in INPUT_NAMES[network]]
        with torch.inference_mode():
            outputs = self._networks[network](*tensors)
        together = (outputs,) if isinstance(outputs, Tensor) else outputs
        return {
            name: output.float().cpu().numpy()
            for name, output in zip(output_names(network, self._config), together, strict=True)
        }

    def _input(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to(self._device, _TYPES[self._precision] if tensor.is_floating_point() else tensor.dtype)

    def describe(self) -> EngineInfo:
        """Return what it is and how it computes."""
        on_gpu = self._device.type == "cuda"
        device = torch.cuda.get_device_name(self._device) if on_gpu else "cpu"
        return EngineInfo(self._kind, device, self._precision, torch.__version__, self._seconds)
