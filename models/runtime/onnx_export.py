"""The networks as ONNX: what ONNX Runtime runs and TensorRT builds from.

The TorchScript exporter is used: the newer one needs two more packages, and all networks go through this one.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from models.bundle_config import BundleConfig
from models.runtime.engine import INPUT_NAMES, EngineError, ServedName, output_names
from models.runtime.names import Precision
from models.runtime.network_inputs import dynamic_axes, examples
from models.runtime.onnx_models import OPSET

_log: Final = logging.getLogger(__name__)
_AXIS_NAMES: Final[Mapping[ServedName, tuple[str, ...]]] = {
    "text": ("batch", "tokens"),
    "audio": ("batch", "columns"),
    "voice": ("batch",),
    "face": ("batch",),
    "scene": ("batch",),
    "fusion": ("batch", "utterances"),
    "speaker": ("batch", "frames"),
    "pnet": ("batch", "height", "width"),
    "rnet": ("batch",),
    "onet": ("batch",),
}


def export_onnx(name: ServedName, network: nn.Module, config: BundleConfig, precision: Precision) -> bytes:
    """Return a network as an ONNX file, exported now; see :func:`onnx_model`."""
    _log.info("exporting the %s network to ONNX in %s, once for this bundle", name, precision)
    inputs = examples(name, config)
    axes = [dict(zip(dynamic_axes(name, example), _AXIS_NAMES[name], strict=True)) for example in inputs]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad(), _PlainAttention():
        warnings.simplefilter("ignore")  # of the tracer: the parity tests check what it doubts
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(
                _HalfNetwork(network) if precision == "float16" else network,
                tuple(map(torch.from_numpy, inputs)),
                path,
                input_names=list(INPUT_NAMES[name]),
                output_names=list(output_names(name, config)),
                dynamic_axes=dict(zip(INPUT_NAMES[name], axes, strict=True)),
                opset_version=OPSET,
                dynamo=False,
            )
        except torch.onnx.OnnxExporterError as error:
            message = f"the {name} network can't be exported to ONNX ({error}): set runtime.engine to torch"
            raise EngineError(message) from error
        return path.read_bytes()


class _HalfNetwork(nn.Module):
    """A copy of a network that computes in float16 between float32 inputs and outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).half()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the network's outputs, always as a tuple."""
        outputs = self.network(*(tensor.half() if tensor.is_floating_point() else tensor for tensor in inputs))
        together = (outputs,) if isinstance(outputs, Tensor) else outputs
        return tuple(output.float() for output in together)


class _PlainAttention(TorchFunctionMode):
    """Has attention traced as matrix products: the exporter's own form of it turns float16 back into float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch's function returns
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001 - the networks are in eval mode
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return what ``scaled_dot_product_attention`` does, without dropout, for ``(batch, heads, length, width)``."""
    if is_causal:
        message = "an encoder that asks for torch's own causal mask is not supported"
        raise torch.onnx.OnnxExporterError(message)
    factor = float(query.shape[-1]) ** -0.5 if scale is None else scale
    scores = (query * factor) @ key.transpose(-2, -1)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(dim=-1) @ value
