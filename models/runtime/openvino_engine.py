"""The networks in OpenVINO: the fastest way on a CPU (benchmarks/engines.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov

from models.bundle_config import BundleConfig
from models.networks.mtcnn import DETECTION
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
from models.runtime.model_cache import ModelFormat, cached, keep, kept
from models.runtime.names import Precision, PrecisionName
from models.runtime.network import Network, module_of
from models.runtime.network_inputs import examples, run_once, shape
from models.runtime.openvino_weights import keep_eight_bits
from models.runtime.served import load_networks
from models.stored_bundle import AnyBundle

_HINTS: Final[Mapping[Precision, str]] = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # int8 is in the model


class OpenVinoEngine:
    """All networks are converted and compiled at the start, so that no utterance waits for it.

    Converting takes seconds, so its result is kept (:mod:`models.runtime.model_cache`). ``bfloat16`` is a hint that
    processors without its instructions do not take; faces are found in float32 all the same. ``int8`` is for networks
    quantised before (:mod:`models.runtime.openvino_int8`).

    Raises:
        EngineError: the precision is not one of these, or no quantised network is kept.
    """

    def __init__(
        self, bundle: AnyBundle, threads: int = 0, folder: Path | None = None, precision: PrecisionName = "auto"
    ) -> None:
        self.name = "openvino-cpu"
        self._config, self._core, self._folder = bundle.config, ov.Core(), folder
        self._precision = precision_for("openvino", precision, tuple(_HINTS))
        # Dynamic quantisation would round what goes into matrices of 8 bits on processors that are faster so.
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._requests, self._seconds = load_networks(bundle, self._compile)

    def _compile(self, name: ServedName, network: Network) -> ov.InferRequest:
        precision = "float32" if name in DETECTION else self._precision  # bfloat16 makes other scores of them here
        load = int8_model if precision == "int8" else openvino_model
        model = load(name, network, self._config, self._core, self._folder)
        options = {**self._options, "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        return self._core.compile_model(model, "CPU", options).create_infer_request()

    def warm_up(self) -> None:
        """Run every network once; see :class:`~models.runtime.engine.Engine`."""
        run_once(self, tuple(self._requests), self._config)

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        """Return the network's outputs for one batch."""
        request = self._requests[network]
        request.infer([np.ascontiguousarray(inputs[name]) for name in INPUT_NAMES[network]])
        return {
            name: np.array(request.get_output_tensor(index).data)
            for index, name in enumerate(output_names(network, self._config))
        }

    def describe(self) -> EngineInfo:
        """Return what it is and how it computes."""
        return EngineInfo("openvino", "cpu", self._precision, ov.__version__, self._seconds)


def openvino_format(core: ov.Core) -> ModelFormat[ov.Model]:
    """Return how OpenVINO's models are kept: ``.xml`` with the weights in a ``.bin`` beside it."""
    return ModelFormat(
        "openvino",
        ".xml",
        ("openvino", "torch", "transformers"),
        core.read_model,
        lambda model, path: ov.save_model(model, path, compress_to_fp16=False),
    )


def openvino_model(
    name: ServedName, network: Network, config: BundleConfig, core: ov.Core, folder: Path | None = None
) -> ov.Model:
    """Return a network as OpenVINO's model, from the cache or converted now.

    Its matrices that a bundle keeps in 8 bits are kept so.
    """
    layout = f"8 bits {_layout(name, examples(name, config))}"

    def convert() -> ov.Model:
        from models.runtime.openvino_convert import converted  # noqa: PLC0415 - imports torch, which serving needs not

        model = converted(name, module_of(network), config)
        keep_eight_bits(model)
        return model

    return cached(network, layout, convert, openvino_format(core), folder)


def int8_model(
    name: ServedName, network: Network, config: BundleConfig, core: ov.Core, folder: Path | None = None
) -> ov.Model:
    """Return a network as OpenVINO's quantised model from the cache.

    Raises:
        EngineError: none is kept; it takes training data to make one.
    """
    model = kept(network, int8_layout(name, config), openvino_format(core), folder)
    if model is None:
        message = (
            f"there is no int8 {name} network of this bundle: make it with "
            "`m2fnet export --engine openvino --precision int8 --data DATA`, or set runtime.precision to auto"
        )
        raise EngineError(message)
    return model


def keep_int8(
    model: ov.Model, name: ServedName, network: Network, config: BundleConfig, core: ov.Core, folder: Path | None
) -> None:
    """Keep the quantised model of a network where :func:`int8_model` looks for it."""
    keep(model, network, int8_layout(name, config), openvino_format(core), folder)


def int8_layout(name: ServedName, config: BundleConfig) -> str:
    """Return what tells a quantised network of the cache from the one it was made of."""
    return f"int8 {_layout(name, examples(name, config))}"


def _layout(name: ServedName, inputs: tuple[Array, ...]) -> str:
    return repr([shape(name, example) for example in inputs])
