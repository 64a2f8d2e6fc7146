"""Networks quantised to int8 for OpenVINO by NNCF, calibrated on inputs like those they will see."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import openvino as ov

from models.runtime.engine import INPUT_NAMES, Array, EngineError, ServedName

_log: Final = logging.getLogger(__name__)
_TRANSFORMERS: Final = frozenset({"text", "audio", "fusion"})


def quantised(name: ServedName, model: ov.Model, calibration: Sequence[Mapping[str, Array]]) -> ov.Model:
    """Return a network whose weights and, where it pays, activations are int8.

    Args:
        name: of the network.
        model: in float32; it is left as it is.
        calibration: inputs named in ``INPUT_NAMES``, each ``(batch, …)``; a few hundred of training data.

    Raises:
        EngineError: the package nncf is missing, or can't quantise the network.
    """
    nncf = load_nncf()
    rows = [[np.ascontiguousarray(inputs[key]) for key in INPUT_NAMES[name]] for inputs in calibration]
    _log.info("quantising the %s network on %d inputs", name, len(rows))
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(rows),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if name in _TRANSFORMERS else None,
            subset_size=len(rows),
        )
    except Exception as error:  # whatever NNCF raises: the other precisions still work
        message = f"the {name} network can't be quantised ({error}): take another precision"
        raise EngineError(message) from error


def load_nncf() -> Any:  # noqa: ANN401 - a module without types
    """Return the module.

    Raises:
        EngineError: it is missing.
    """
    try:
        import nncf  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        install = "pip install -c constraints.txt -e '.[int8]'"
        message = f"int8 networks can't be made ({error}): install NNCF with `{install}`"
        raise EngineError(message) from error
    return nncf
