"""What all commands share: their options, and how errors become a line and an exit code."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from models.files.file_names import encodable
from models.files.whole_file import FileError
from models.user_error import UserError

if TYPE_CHECKING:
    from stream.settings import Settings
    from trainer.features.transcripts import Transcribe

INTERRUPTED: Final = 130  # what a shell expects of a program ended by Ctrl-C
TERMINATED: Final = 143  # and by SIGTERM

STARTER_RUNS: Final = Path("runs/starter")

err = Console(stderr=True)


class PlainGroup(TyperGroup):
    """A group whose complaints about options have no words of the library that checks them."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the library has it
        """Read the group's own arguments."""
        with _plain_complaints():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as above
        """Read the arguments of a command of the group and run it."""
        with _plain_complaints():
            return super().invoke(*args, **kwargs)


@contextmanager
def _plain_complaints() -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as complaint:
        from wire.strict import plain_reason  # noqa: PLC0415 - loads pydantic, which the help must not wait for

        complaint.message = plain_reason(complaint.message)
        raise


def group(text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=PlainGroup,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )


def run_app(app: typer.Typer, name: str, arguments: Sequence[str] | None) -> None:
    """Run commands with these arguments, those of the process if none; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a character must not cost a result
            stream.reconfigure(errors="backslashreplace")
    app(args=arguments, prog_name=name)


Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings in a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be given several times."),
]
Camera = Annotated[
    str | None, typer.Option("--camera", metavar="INDEX|PATH", help="A camera of this machine, such as 0.")
]
Microphone = Annotated[
    str | None,
    typer.Option(
        "--microphone", metavar="NAME|INDEX", help="A microphone of this machine; 'default' for the usual one."
    ),
]
BundleName = Annotated[
    str, typer.Option("--bundle", metavar="FOLDER|NAME", help="A bundle's folder; starter is the program's own.")
]
AudioTrack = Annotated[
    int | None,
    typer.Option("--audio-track", metavar="N", help="Take this sound track, from 1; else the first with sound."),
]
AudioChannel = Annotated[
    int | None,
    typer.Option("--audio-channel", metavar="N", help="Take only this channel of the sound, from 1; else all."),
]
Enroll = Annotated[
    list[str] | None,
    typer.Option(
        "--enroll", metavar="NAME=FILE", help="Call whoever speaks alone in a file by name; may be given several times."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more, with tracebacks of errors.")]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="M2FNET_DATA",
        file_okay=False,
        help="Folder with meld/, fer2013/ and the speech corpora (docs/datasets.md).",
    ),
]


Runs = Annotated[Path, typer.Option("--runs", file_okay=False, help="Folder of checkpoints, logs and caches.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


def sound_settings(track: int | None, channel: int | None) -> list[str]:
    """Return the settings that choose among the sound of a source, as ``--set`` has them."""
    chosen = [("audio_track", track), ("audio_channel", channel)]
    return [f"sources.{key}={value}" for key, value in chosen if value is not None]


def speaker_settings(enrolled: list[str] | None) -> list[str]:
    """Return the settings by which people are called by name, as ``--set`` has them."""
    return ["speakers.enrolled=" + "\n".join(enrolled)] if enrolled else []


@contextmanager
def told(*, verbose: bool) -> Iterator[None]:
    """Turn errors into one line and an exit code; with ``verbose`` they keep their traceback."""
    _configure_log(verbose=verbose)
    for library in ("httpx", "httpcore", "urllib3", "faster_whisper", "matplotlib", "numba"):
        logging.getLogger(library).setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        with _terminated_like_interrupted():
            yield
            sys.stdout.flush()
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(exit_code(interrupt)) from None
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        _forget_output()
        raise typer.Exit(1) from None
    except Exception as error:
        if isinstance(error, OSError | FileError):
            _forget_output()
        if verbose:
            raise
        fail(explanation(error))


class _Lines(logging.Formatter):
    """Log records as a command's user reads them: a line each, without where in the program it was."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the first line of the message."""
        return encodable(record.getMessage().partition("\n")[0])


def _configure_log(*, verbose: bool) -> None:
    """Write the log to standard error: all of it, with tracebacks, or what users want to know."""
    handler = logging.StreamHandler()
    everything = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(everything if verbose else _Lines("%(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, so that it may finish what it must; a second one ends the process."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt(TERMINATED)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return what a shell expects of a program ended so."""
    return TERMINATED if TERMINATED in interrupt.args else INTERRUPTED


def _forget_output() -> None:
    """Keep Python from flushing once more, at its end, what the standard output did not take."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explanation(error: Exception) -> str:
    """Return what is told of an error: its own words if they are meant for users."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is missing; install it: pip install -c constraints.txt -e '.[train]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}\nThis was not foreseen; the same command with --verbose shows where it happened."


def tell(message: str) -> None:
    """Print a message for a user on standard error."""
    err.print(f"m2fnet: {encodable(message)}", style="red", markup=False, highlight=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print a message for a user on standard error and exit with 1."""
    tell(message)
    raise typer.Exit(1)


def read_settings(file: Path | None, overrides: Sequence[str]) -> "Settings":
    """Return the settings that a command's options name.

    Raises:
        ConfigError: the file can't be read, or a key or value isn't allowed.
    """
    from stream.config import load_settings  # noqa: PLC0415 - loads pydantic, which the help must not wait for

    return load_settings(file, overrides)


def transcriber(settings: "Settings") -> "Transcribe":
    """Return the speech recogniser of the settings as the trainer takes it: sound to words."""
    from stream.speech.whisper import Whisper  # noqa: PLC0415 - see the module's docstring

    whisper = Whisper(settings.transcriber)
    return lambda samples: whisper.transcribe(samples, 0.0).text
