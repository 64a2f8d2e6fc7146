"""TensorRT engine files: built from ONNX, strongly typed, and kept for the GPU and the version they are for.

Two libraries with one interface: ``tensorrt_rtx`` builds on any machine, for all GPUs since Ampere, and compiles the
rest where it runs; ``tensorrt`` measures on the GPU that it builds for, which takes minutes, so that its
measurements are kept too. Building has been tried with ``tensorrt_rtx`` 1.7 alone, on machines without a GPU.
"""

import logging
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch

from models.bundle_config import BundleConfig
from models.media.spectrogram import AudioKind
from models.runtime.engine import INPUT_NAMES, EngineError, ServedName
from models.runtime.model_cache import ModelFormat, bytes_format, cache_folder, cached
from models.runtime.names import Precision, TensorRtName
from models.runtime.network import Network, module_of
from models.runtime.network_inputs import dynamic_axes, examples
from models.runtime.onnx_export import export_onnx
from models.runtime.onnx_models import CONVERTERS, require_onnx

PRECISIONS: Final[tuple[Precision, ...]] = ("float16", "float32")

Range = tuple[int, int, int]
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_log: Final = logging.getLogger(__name__)
_ROWS: Final[Range] = (1, 1, 16)  # live, nearly everything comes alone
_CANDIDATES: Final[Range] = (1, 32, 256)  # of faces, in one image or several
_PYRAMID: Final[Range] = (12, 96, 1024)  # pixels a side of a shrunk image
_COLUMNS: Final[Mapping[AudioKind, Range]] = {"whisper": (100, 300, 1500), "log-mel": (50, 150, 800)}  # 1, 3, 15 s
_FRAMES: Final[Range] = (2, 120, 400)  # of a window in which somebody speaks: 25 ms, 1.2, 4 s
_UTTERANCES: Final[Range] = (1, 16, 64)
_TYPICAL_TOKENS: Final = 48
_TURING: Final = (7, 5)  # not among the GPUs that tensorrt_rtx builds for unless told


def plan_format(library: TensorRtName) -> ModelFormat[bytes]:
    """Return how engine files are kept."""
    return bytes_format(library, ".plan", CONVERTERS)


def load_library(library: TensorRtName) -> Any:  # noqa: ANN401 - a module without types
    """Return the module.

    Raises:
        EngineError: it is missing or does not load.
    """
    try:
        return import_module(library)
    except Exception as error:  # whatever its loader of native libraries raises
        extra = library.replace("_", "-")
        message = f"{library} can't be loaded ({error}): install it with `pip install -e '.[{extra}]'`"
        raise EngineError(message) from error


def tensorrt_plan(
    library: TensorRtName,
    name: ServedName,
    network: Network,
    config: BundleConfig,
    precision: Precision,
    folder: Path | None = None,
) -> bytes:
    """Return a network's engine file, from the cache or built now.

    One for another version, GPU, precision or range of shapes is never taken.

    Args:
        library: which TensorRT.
        name: of the network.
        network: it is left as it is.
        config: of its bundle.
        precision: float16 or float32.
        folder: of the cache; the user's if None.

    Raises:
        EngineError: a package or the GPU that ``tensorrt`` builds on is missing, or the network can't be built.
    """
    trt = load_library(library)
    require_onnx()
    kept = folder or cache_folder(library)
    shapes = profile(name, config)
    layout = f"{library} {trt.__version__}, {target(library)}, {precision}, {shapes}"

    def build() -> bytes:
        model = export_onnx(name, module_of(network), config, precision)
        _log.info("building the %s network with %s for %s, once for this bundle", name, library, target(library))
        measured = kept / f"timing-{trt.__version__}-{target(library)}.cache"
        return build_plan(trt, name, model, shapes, measured if library == "tensorrt" else None)

    return cached(network, layout, build, plan_format(library), kept)


def target(library: TensorRtName) -> str:
    """Return what engine files are built for: ``sm90``, or ``portable`` for all GPUs since Ampere.

    Raises:
        EngineError: ``tensorrt`` has no GPU to build on.
    """
    capability = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
    if library == "tensorrt_rtx" and capability != _TURING:
        return "portable"
    if capability is None:
        message = (
            "tensorrt builds on the GPU that it builds for, and torch finds none: install the NVIDIA driver, or take "
            "tensorrt_rtx, which builds anywhere"
        )
        raise EngineError(message)
    return f"sm{capability[0]}{capability[1]}"


def profile(name: ServedName, config: BundleConfig) -> dict[str, Shapes]:
    """Return the smallest, the typical and the largest shape of every input of a network."""
    ranges = (rows_of(name), *_lengths(name, config))
    return {
        key: _shapes(tuple(example.shape), dynamic_axes(name, example), ranges)
        for key, example in zip(INPUT_NAMES[name], examples(name, config), strict=True)
    }


def rows_of(name: ServedName) -> Range:
    """Return the smallest, the typical and the largest batch of a network."""
    return _CANDIDATES if name in {"rnet", "onet"} else _ROWS


def _lengths(name: ServedName, config: BundleConfig) -> tuple[Range, ...]:
    """Return the ranges of a network's dynamic axes behind the batch."""
    longest = config.text.max_tokens
    ranges: Mapping[ServedName, tuple[Range, ...]] = {
        "text": ((1, min(_TYPICAL_TOKENS, longest), longest),),
        "audio": (_COLUMNS[config.audio.kind],),
        "fusion": (_UTTERANCES,),
        "speaker": (_FRAMES,),
        "pnet": (_PYRAMID, _PYRAMID),
    }
    return ranges.get(name, ())


def _shapes(fixed: tuple[int, ...], axes: tuple[int, ...], ranges: tuple[Range, ...]) -> Shapes:
    smallest, typical, largest = (list(fixed) for _ in range(3))
    for axis, sizes in zip(axes, ranges, strict=True):
        smallest[axis], typical[axis], largest[axis] = sizes
    return tuple(smallest), tuple(typical), tuple(largest)


def build_plan(trt: Any, name: ServedName, model: bytes, shapes: Mapping[str, Shapes], timing: Path | None) -> bytes:  # noqa: ANN401 - as above
    """Return an engine file built from an ONNX file.

    Args:
        trt: the library.
        name: of the network, for messages.
        model: the ONNX file; its types decide the precision.
        shapes: smallest, typical and largest, of every input.
        timing: a file of measurements, read if it is there, and written; None for tensorrt_rtx, which makes none.

    Raises:
        EngineError: an operator is not supported, or building failed; the message has TensorRT's own words.
    """
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(model):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(dict.fromkeys(f"operator {error.node_operator()}: {error.desc()}" for error in errors))
        message = f"{trt.__name__} does not support the {name} network ({reasons}): set runtime.engine to torch"
        raise EngineError(message)
    settings = _settings(trt, builder, shapes)
    timed = timing is not None and _load_timing(settings, timing)
    plan = builder.build_serialized_network(definition, settings)
    if plan is None:
        message = (
            f"{trt.__name__} can't build the {name} network ({logger.last_error}): if the GPU's memory is full, "
            "close what uses it; else set runtime.engine to torch"
        )
        raise EngineError(message)
    if timing is not None and timed:
        _replace(timing, bytes(settings.get_timing_cache().serialize()))
    return bytes(plan)


def _settings(trt: Any, builder: Any, shapes: Mapping[str, Shapes]) -> Any:  # noqa: ANN401 - as above
    settings = builder.create_builder_config()
    ranges = builder.create_optimization_profile()
    for key, sizes in shapes.items():
        ranges.set_shape(key, *sizes)
    settings.add_optimization_profile(ranges)
    if trt.__name__ == "tensorrt_rtx" and target("tensorrt_rtx") != "portable":
        settings.num_compute_capabilities = 1
        settings.set_compute_capability(trt.ComputeCapability.SM75, 0)
    return settings


def _load_timing(settings: Any, path: Path) -> bool:  # noqa: ANN401 - as above
    """Have the builder use measurements made before; return whether it takes them."""
    cache = settings.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    return cache is not None and bool(settings.set_timing_cache(cache, ignore_mismatch=False))


def _replace(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; that it can't be written costs only time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            file.write(contents)
        Path(file.name).replace(path)
    except OSError as error:
        _log.warning("TensorRT's measurements can't be kept in %s (%s)", path, error)


def make_logger(trt: Any) -> Any:  # noqa: ANN401 - as above
    """Return a logger for TensorRT that writes to ours, and knows the last error."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # the library is known only now
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = "no reason given"

        def log(self, severity: Any, text: str) -> None:  # noqa: ANN401 - as above
            if severity in {trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR}:
                self.last_error = " ".join(text.split())
            _log.debug("%s: %s", trt.__name__, text)

    return Logger()
