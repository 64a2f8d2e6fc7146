"""Networks as ONNX files, from the cache; :mod:`models.runtime.onnx_export` writes them."""

from pathlib import Path
from typing import Final

from models.bundle_config import BundleConfig
from models.runtime.engine import EngineError, ServedName
from models.runtime.model_cache import bytes_format, cached
from models.runtime.names import Precision
from models.runtime.network import Network, module_of
from models.runtime.network_inputs import examples

OPSET: Final = 17  # has LayerNormalization as one operator
CONVERTERS: Final = ("onnx", "torch", "transformers")
ONNX: Final = bytes_format("onnx", ".onnx", CONVERTERS)


def onnx_model(
    name: ServedName,
    network: Network,
    config: BundleConfig,
    precision: Precision = "float32",
    folder: Path | None = None,
) -> bytes:
    """Return a network as an ONNX file, from the cache or exported now.

    Args:
        name: of the network.
        network: it is left as it is.
        config: of its bundle.
        precision: of weights and computation, float32 or float16; inputs and outputs are float32 all the same.
        folder: of the cache; the user's if None.

    Raises:
        EngineError: the package onnx is missing, or an operator has no ONNX.
    """
    layout = f"{precision}, opset {OPSET}, {[tuple(example.shape) for example in examples(name, config)]}"

    def export() -> bytes:
        require_onnx()
        from models.runtime.onnx_export import export_onnx  # noqa: PLC0415 - imports torch, which serving needs not

        return export_onnx(name, module_of(network), config, precision)

    return cached(network, layout, export, ONNX, folder)


def require_onnx() -> None:
    """Raise EngineError where the package is missing, without which nothing can be exported."""
    try:
        import onnx  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415 - it is optional
    except ImportError as error:
        message = f"ONNX files can't be written ({error}): install the package with `pip install onnx`"
        raise EngineError(message) from error
