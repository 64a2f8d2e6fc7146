"""``m2fnet export``: the networks of a bundle made ready for an engine, ahead of time."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import Progress

from commands.common import STARTER_RUNS, BundleName, Runs, Verbose, err, told
from models.files.file_names import shown
from models.files.output_checks import require_outside
from models.files.whole_file import require_folder
from models.runtime.names import PrecisionName

if TYPE_CHECKING:
    from models.runtime.export import Calibration
    from models.stored_bundle import StoredBundle


def export(
    engine: Annotated[
        Literal["onnx", "openvino", "tensorrt", "tensorrt_rtx"],
        typer.Option(help="What the networks are built for; onnx is what the engine onnxruntime reads."),
    ],
    bundle: BundleName = "starter",
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the computation; auto is float16 in TensorRT and float32 elsewhere.")
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="DIR", help="Also write the networks there, one file or two for each."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="M2FNET_DATA",
            file_okay=False,
            help="For int8: the corpora whose training data it is calibrated on, as for m2fnet train starter.",
        ),
    ] = None,
    runs: Runs = STARTER_RUNS,
    verbose: Verbose = False,
) -> None:
    """Build the networks for an engine ahead of time, so that the first start with that engine does not wait for it.

    What is built is kept where the engine looks for it, in the user's cache folder. TensorRT builds for the GPU of this
    machine only; TensorRT-RTX builds for all GPUs since Ampere, and needs none for that. OpenVINO's int8 networks are
    calibrated on training data, and taken with --set runtime.precision=int8.

    Examples:
        m2fnet export --engine tensorrt_rtx

        m2fnet export --engine onnx --precision float16 --out networks

        m2fnet export --engine openvino --precision int8 --data DATA
    """
    with told(verbose=verbose):
        from models.bundle_config import find_bundle  # noqa: PLC0415 - the help must not wait for it
        from models.runtime.export import Exporter  # noqa: PLC0415 - as above
        from models.runtime.served import served  # noqa: PLC0415 - as above
        from models.stored_bundle import StoredBundle  # noqa: PLC0415 - as above

        if out is not None:
            require_outside([out], [Path(bundle)])
            require_folder(out)
        stored = StoredBundle.read(find_bundle(bundle))
        calibrate = None if data is None else partial(_calibration, stored, data, runs)
        exporter = Exporter(engine, stored.config, precision, out, calibrate)
        with Progress(console=err) as progress:
            networks = progress.track(list(served(stored).items()), description=f"building for {engine}")
            for name, network in networks:
                exporter.export(name, network)
        for path in exporter.written:
            typer.echo(shown(path))


def _calibration(bundle: "StoredBundle", data: Path, runs: Path) -> "Calibration":
    from models.runtime.select import choose_engine  # noqa: PLC0415 - as above
    from trainer.config import starter_config  # noqa: PLC0415 - as above
    from trainer.corpora import Corpora  # noqa: PLC0415 - as above
    from trainer.starter.calibration_inputs import calibration_inputs  # noqa: PLC0415 - as above

    engine = choose_engine("auto", bundle, precision="float32")
    return calibration_inputs(bundle.load(), Corpora(starter_config(data), runs / "cache"), engine.run)
