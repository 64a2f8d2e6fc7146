"""Choosing the engine that is fastest on this machine, or the one the settings name."""

import logging
from typing import Final, Literal

import torch

from models.bundle import Bundle
from models.runtime.engine import Engine, EngineError
from models.runtime.torch_engine import TorchEngine

EngineName = Literal["auto", "torch", "openvino"]

_log: Final = logging.getLogger(__name__)


def choose_engine(name: EngineName, bundle: Bundle, threads: int = 0) -> Engine:
    """Return an engine for the bundle, ready to run.

    ``auto`` is torch on an NVIDIA GPU if there is one, else OpenVINO, else, with a warning that says why,
    torch on the CPU. ``torch`` takes the GPU too if there is one.

    Args:
        name: which.
        bundle: its networks are moved to the engine's device.
        threads: processor threads of one inference; 0 lets the engine choose.

    Raises:
        EngineError: OpenVINO is asked for by name and does not work here.
        ValueError: there is no engine of that name.
    """
    if name not in {"auto", "torch", "openvino"}:
        message = f"there is no engine {name!r}: take auto, torch or openvino"
        raise ValueError(message)
    if name == "openvino":
        return _openvino(bundle, threads)
    if torch.cuda.is_available():
        return TorchEngine(bundle, "cuda", threads)
    if name == "torch":
        return TorchEngine(bundle, "cpu", threads)
    try:
        return _openvino(bundle, threads)
    except EngineError as error:
        _log.warning("%s; torch on the CPU is used instead, which is slower", error)
        return TorchEngine(bundle, "cpu", threads)


def _openvino(bundle: Bundle, threads: int) -> Engine:
    try:
        from models.runtime.openvino_engine import OpenVinoEngine  # noqa: PLC0415 - it may be missing or broken

        return OpenVinoEngine(bundle, threads)
    except Exception as error:  # whatever a native library raises, torch can still do it
        message = f"OpenVINO does not work on this machine ({error}): install it with `pip install openvino`"
        raise EngineError(message) from error
