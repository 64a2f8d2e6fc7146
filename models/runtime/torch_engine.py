"""The networks as they are, in torch, on the CPU or an NVIDIA GPU."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.bundle import Bundle, NetworkName
from models.runtime.engine import INPUT_NAMES, OUTPUT_NAMES, Array


class TorchEngine:
    """Runs the bundle's own modules, which it moves to ``device``."""

    def __init__(self, bundle: Bundle, device: str = "cpu", threads: int = 0) -> None:
        self.name = f"torch-{device}"
        self._device = torch.device(device)
        if threads:
            torch.set_num_threads(threads)
        self._networks = {name: network.to(self._device).eval() for name, network in bundle.networks().items()}

    def run(self, network: NetworkName, inputs: Mapping[str, Array]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the network's outputs for one batch."""
        tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in INPUT_NAMES[network]]
        with torch.inference_mode():
            outputs = self._networks[network](*(tensor.to(self._device) for tensor in tensors))
        together = (outputs,) if isinstance(outputs, Tensor) else outputs
        return {
            name: output.float().cpu().numpy() for name, output in zip(OUTPUT_NAMES[network], together, strict=True)
        }
