"""What all commands share: their options, and how errors become a line and an exit code."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from stream.settings import Settings

if TYPE_CHECKING:
    from trainer.features.transcripts import Transcribe

INTERRUPTED: Final = 130  # what a shell expects of a program ended by Ctrl-C
KNOWN_ERRORS: Final = {
    "models.bundle": "BundleError",
    "models.config_file": "ConfigError",
    "models.runtime.engine": "EngineError",
    "models.whole_file": "FileError",
    "server": "ServeError",
    "stream.sources.base": "SourceError",
    "stream.analysis": "AnalysisError",
    "stream.asr_model": "AsrModelError",
    "stream.output": "OutputError",
    "stream.saved": "SavedError",
    "stream.overlay.outputs": "OverlayError",
    "stream.recording.format": "RecordingError",
    "trainer.checkpoint": "CheckpointError",
    "trainer.data.errors": "DatasetError",
    "trainer.evaluation.errors": "EvaluationError",
    "trainer.frozen": "FrozenEncoderError",
    "trainer.fusion_stage": "FusionDataError",
    "trainer.loop": "TrainingError",
    "trainer.pipeline": "PipelineError",
    "trainer.mining": "MiningError",
    "trainer.probes": "ProbeError",
    "trainer.text_stage": "EncoderError",
}

ROOT: Final = Path(__file__).resolve().parent.parent
STARTER_RUNS: Final = Path("runs/starter")

err = Console(stderr=True)


def group(text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )


Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings in a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be given several times."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more, with tracebacks of errors.")]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="M2FNET_DATA",
        file_okay=False,
        help="Folder with meld/, fer2013/, ravdess/, emodb/, nemo/, emovo/, crema_d/.",
    ),
]


Runs = Annotated[Path, typer.Option("--runs", file_okay=False, help="Folder of checkpoints, logs and caches.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


@contextmanager
def told(*, verbose: bool) -> Iterator[None]:
    """Turn errors into one line and an exit code; with ``verbose`` they keep their traceback."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else "%(message)s",
    )
    for library in ("httpx", "httpcore", "urllib3", "faster_whisper", "matplotlib", "numba"):
        logging.getLogger(library).setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python must not try to flush into it again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception as error:
        if verbose:
            raise
        fail(explanation(error))


def explanation(error: Exception) -> str:
    """Return what is told of an error: its own words if they are meant for users."""
    if isinstance(error, known_errors()):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is missing; install it: pip install -c constraints.txt -e '.[train]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}\nThis was not foreseen; the same command with --verbose shows where it happened."


def known_errors() -> tuple[type[Exception], ...]:
    """Return the error classes whose text is written for users; one whose module is not loaded can't have happened."""
    loaded = ((sys.modules.get(module), name) for module, name in KNOWN_ERRORS.items())
    return tuple(getattr(module, name) for module, name in loaded if module is not None and hasattr(module, name))


def fail(message: str) -> None:
    """Print a message for a user on standard error and exit with 1."""
    err.print(f"m2fnet: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def transcriber(settings: Settings) -> "Transcribe":
    """Return the speech recogniser of the settings as the trainer takes it: sound to words."""
    from stream.whisper import Whisper  # noqa: PLC0415 - see the module's docstring

    whisper = Whisper(settings.transcriber)
    return lambda samples: whisper.transcribe(samples, 0.0).text
