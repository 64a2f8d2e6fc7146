"""Choosing the engine that is fastest on this machine, or the one the settings name."""

import ctypes
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from textwrap import shorten
from typing import Final, get_args

from models.runtime.engine import Engine, EngineError
from models.runtime.fallback import Candidate, Fallback, FallbackEngine, is_gpu_full
from models.runtime.names import EngineName, PrecisionName, TensorRtName
from models.runtime.own_thread import OwnThread
from models.runtime.readiness import require_time
from models.runtime.switching import SwitchingEngine
from models.stored_bundle import AnyBundle

_ON_GPU: Final[tuple[EngineName, ...]] = ("tensorrt", "tensorrt_rtx", "torch")
_ON_CPU: Final[tuple[EngineName, ...]] = ("openvino", "onnxruntime")
_UNSUPPORTED: Final = re.compile(r"No conversion rule found for operations: (.+)")  # OpenVINO's words
_REASON_LENGTH: Final = 500
_OPTIONAL: Final = frozenset(get_args(TensorRtName))


def choose_engine(
    name: EngineName,
    bundle: AnyBundle,
    threads: int = 0,
    precision: PrecisionName = "auto",
    *,
    reload: Callable[[], AnyBundle] | None = None,
    on_fallback: Callable[[Fallback], None] | None = None,
) -> FallbackEngine:
    """Return an engine for the bundle, warm, which torch stands in for if it fails while running.

    ``auto`` is the first that works: on an NVIDIA GPU TensorRT and TensorRT-RTX where they are installed, and torch;
    then OpenVINO, ONNX Runtime and torch on the CPU. ``torch`` takes the GPU if there is one.

    Args:
        name: which.
        bundle: on the CPU in float32, as ``load_bundle`` gives it.
        threads: processor threads of one inference; 0 lets the engine choose.
        precision: of the computation; ``auto`` is float16 in TensorRT and float32 elsewhere.
        reload: gives the bundle again when an engine fails; without it the bundle stays in memory.
        on_fallback: told of every engine that is given up, as the log is, and as ``fallbacks`` of the result lists.

    Raises:
        EngineError: the engine named does not work here, or in that precision.
        ValueError: there is no engine of that name.
    """
    candidates = _candidates(name, threads, precision)
    return FallbackEngine(
        candidates, bundle, reload or (lambda: bundle), required=name != "auto", on_fallback=on_fallback
    )


def choose_live_engine(
    name: EngineName,
    bundle: AnyBundle,
    threads: int = 0,
    precision: PrecisionName = "auto",
    *,
    reload: Callable[[], AnyBundle],
    on_fallback: Callable[[Fallback], None] | None = None,
) -> SwitchingEngine:
    """Return what computes at once: the engine of :func:`choose_engine`, or another while that one is being built.

    What computes changes with the time it takes, so this is for what is live, and not for results to compare.
    The arguments and errors are those of :func:`choose_engine`, except that an engine named which turns out not to
    work only when it is built is no error but a fallback.
    """
    candidates = _candidates(name, threads, precision)
    return SwitchingEngine(candidates, bundle, reload, required=name != "auto", on_fallback=on_fallback)


def _candidates(name: EngineName, threads: int, precision: PrecisionName) -> list[Candidate]:
    names = get_args(EngineName)
    if name not in names:
        message = f"there is no engine {name!r}: take {', '.join(names[:-1])} or {names[-1]}"
        raise ValueError(message)
    return _all_candidates(threads, precision) if name == "auto" else _named(name, threads, precision)


def _all_candidates(threads: int, precision: PrecisionName) -> list[Candidate]:
    on_gpu = [name for name in _ON_GPU if name not in _OPTIONAL or find_spec(name)] if has_gpu() else []
    found = [_candidate(name, threads, precision) for name in (*on_gpu, *_ON_CPU)]
    return [*found, _torch_on_cpu(threads, precision)]


def _named(name: EngineName, threads: int, precision: PrecisionName) -> list[Candidate]:
    if name == "torch" and not has_gpu():
        return [_torch_on_cpu(threads, precision)]
    on_gpu = [_candidate("torch", threads, "auto")] if has_gpu() and name != "torch" else []
    return [_candidate(name, threads, precision), *on_gpu, _torch_on_cpu(threads, "auto")]


def _torch_on_cpu(threads: int, precision: PrecisionName) -> Candidate:
    return Candidate("torch", lambda bundle: _torch(bundle, "cpu", threads, precision))


def _candidate(name: EngineName, threads: int, precision: PrecisionName) -> Candidate:
    device = "cuda" if has_gpu() else "cpu"
    loaders: Mapping[EngineName, Callable[[AnyBundle], Engine]] = {
        "torch": lambda bundle: _torch(bundle, device, threads, precision),
        "torch-compiled": lambda bundle: _torch(bundle, device, threads, precision, compiled=True),
        "openvino": lambda bundle: _openvino(bundle, threads, precision),
        "onnxruntime": lambda bundle: _onnxruntime(bundle, threads, precision),
        "tensorrt": lambda bundle: _tensorrt(bundle, "tensorrt", precision),
        "tensorrt_rtx": lambda bundle: _tensorrt(bundle, "tensorrt_rtx", precision),
    }
    return Candidate(name, loaders[name])


def _torch(bundle: AnyBundle, device: str, threads: int, precision: PrecisionName, *, compiled: bool = False) -> Engine:
    from models.runtime.torch_engine import TorchEngine  # noqa: PLC0415 - beside the others

    if not compiled:
        return TorchEngine(bundle, device, threads, precision)
    require_time("compiling the networks with torch")
    return OwnThread(lambda: TorchEngine(bundle, device, threads, precision, compiled=True))


def _openvino(bundle: AnyBundle, threads: int, precision: PrecisionName) -> Engine:
    with _explaining("OpenVINO", "install it with `pip install openvino`"):
        from models.runtime.openvino_engine import OpenVinoEngine  # noqa: PLC0415 - it may be missing or broken

        return OpenVinoEngine(bundle, threads, precision=precision)


def _onnxruntime(bundle: AnyBundle, threads: int, precision: PrecisionName) -> Engine:
    with _explaining("ONNX Runtime", "install it with `pip install onnxruntime`"):
        from models.runtime.onnx_engine import OnnxRuntimeEngine  # noqa: PLC0415 - it may be missing or broken

        return OnnxRuntimeEngine(bundle, threads, precision=precision)


def _tensorrt(bundle: AnyBundle, library: TensorRtName, precision: PrecisionName) -> Engine:
    extra = library.replace("_", "-")
    with _explaining(library, f"update the NVIDIA driver, and install it with `pip install -e '.[{extra}]'`"):
        from models.runtime.tensorrt_engine import TensorRtEngine  # noqa: PLC0415 - beside the others

        return TensorRtEngine(bundle, library, precision)


def has_gpu() -> bool:
    """Return whether torch finds an NVIDIA GPU; it is asked, and imported, only where there is a driver."""
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return False
    import torch  # noqa: PLC0415 - takes seconds, and processors need it not

    return torch.cuda.is_available()


@contextmanager
def _explaining(library: str, advice: str) -> Iterator[None]:
    """Turn what a native library raises into what to do about it; another engine can still do its work."""
    try:
        yield
    except (EngineError, MemoryError):  # have their own advice
        raise
    except Exception as error:
        if is_gpu_full(error):  # the same
            raise
        raise EngineError(_told(library, str(error), advice)) from error


def _told(library: str, reason: str, advice: str) -> str:
    if unsupported := _UNSUPPORTED.search(reason):
        return f"{library} does not support the operators {unsupported[1]}: set runtime.engine to torch"
    shown = shorten(reason, _REASON_LENGTH, placeholder=" …")  # OpenVINO adds whole networks
    return f"{library} does not work on this machine ({shown}): {advice}"
