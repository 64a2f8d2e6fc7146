"""Networks built for an engine ahead of time: into its cache and, if asked for, as files."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

from models.bundle_config import BundleConfig
from models.files.whole_file import told_of
from models.runtime.engine import Array, EngineError, ServedName, precision_for
from models.runtime.model_cache import ModelFormat
from models.runtime.names import Precision, PrecisionName, TensorRtName
from models.runtime.network import Network, module_of

Target = Literal["onnx", "openvino", "tensorrt", "tensorrt_rtx"]
Build = Callable[[ServedName, Network], None]
Calibration = Mapping[ServedName, Sequence[Mapping[str, Array]]]

Model = TypeVar("Model")

_ONNX: Final[tuple[Precision, ...]] = ("float32", "float16")


class Exporter:
    """Builds the networks of one bundle one by one.

    Args:
        engine: what for.
        config: of the bundle.
        precision: of the computation.
        out: a folder, made if it is missing, into which ``NETWORK.onnx``, ``.xml`` and ``.bin``, or ``.plan`` are put;
            the cache alone if None.
        calibrate: for int8, gives inputs of training data; a network without any stays in float32. It is called only
            where all else that int8 takes is there.

    Raises:
        EngineError: the engine's package is missing, or it has no such precision.
    """

    def __init__(
        self,
        engine: Target,
        config: BundleConfig,
        precision: PrecisionName = "auto",
        out: Path | None = None,
        calibrate: Callable[[], Calibration] | None = None,
    ) -> None:
        self.written: list[Path] = []
        self._config, self._out, self._calibrate = config, out, calibrate
        if engine == "onnx":
            self._build = self._onnx(precision)
        elif engine == "openvino":
            self._build = self._openvino(precision)
        else:
            self._build = self._tensorrt(engine, precision)

    def export(self, name: ServedName, network: Network) -> None:
        """Build one network and add what is put into ``out`` to ``written``.

        Raises:
            EngineError: it can't be built.
            FileError: it can't be written.
        """
        self._build(name, network)

    def _onnx(self, precision: PrecisionName) -> Build:
        from models.runtime.onnx_models import ONNX, onnx_model  # noqa: PLC0415 - each engine imports its own

        chosen = precision_for("onnx", precision, _ONNX)
        return lambda name, network: self._put(name, onnx_model(name, network, self._config, chosen), ONNX)

    def _openvino(self, precision: PrecisionName) -> Build:
        try:
            import openvino  # noqa: PLC0415 - as above

            from models.runtime.openvino_convert import converted  # noqa: PLC0415 - as above
            from models.runtime.openvino_engine import keep_int8, openvino_format, openvino_model  # noqa: PLC0415 - as above
            from models.runtime.openvino_int8 import load_nncf, quantised  # noqa: PLC0415 - as above
        except ImportError as error:
            message = f"OpenVINO can't be loaded ({error}): install it with `pip install openvino`"
            raise EngineError(message) from error
        chosen = precision_for("openvino's files", precision, ("float32", "int8"))
        calibration: Calibration = {}
        if chosen == "int8":
            if self._calibrate is None:
                message = "int8 is calibrated on training data: name the folder that holds the corpora with --data"
                raise EngineError(message)
            load_nncf()
            calibration = self._calibrate()
        core = openvino.Core()
        form = openvino_format(core)

        def build(name: ServedName, network: Network) -> None:
            inputs = calibration.get(name)
            if inputs:  # of weights in float32: NNCF leaves those alone that are in 8 bits already
                model = quantised(name, converted(name, module_of(network), self._config), inputs)
            else:
                model = openvino_model(name, network, self._config, core)
            if chosen == "int8":
                keep_int8(model, name, network, self._config, core, None)
            self._put(name, model, form)

        return build

    def _tensorrt(self, library: TensorRtName, precision: PrecisionName) -> Build:
        from models.runtime import tensorrt_build  # noqa: PLC0415 - as above

        chosen, form = precision_for(library, precision, tensorrt_build.PRECISIONS), tensorrt_build.plan_format(library)

        def build(name: ServedName, network: Network) -> None:
            self._put(name, tensorrt_build.tensorrt_plan(library, name, network, self._config, chosen), form)

        return build

    def _put(self, name: ServedName, model: Model, form: ModelFormat[Model]) -> None:
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            with told_of(self._out), tempfile.TemporaryDirectory(prefix=".new-", dir=self._out) as folder:
                form.write(model, Path(folder) / f"{name}{form.suffix}")
                self.written += [path.replace(self._out / path.name) for path in sorted(Path(folder).iterdir())]
