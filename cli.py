"""The ``m2fnet`` command, a thin layer: it reads the arguments, calls what does the work, and tells errors in a line.

What a command needs is imported when it runs, so that ``--help`` answers at once and works without the models.
"""

import json
import logging
import os
import sys
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.config import load_settings
from stream.formats import Format
from stream.settings import Settings

if TYPE_CHECKING:
    from trainer.starter import StageName
    from trainer.starter_report import StarterReport, Transcribe

INTERRUPTED: Final = 130  # what a shell expects of a program ended by Ctrl-C
KNOWN_ERRORS: Final = {
    "models.bundle": "BundleError",
    "models.runtime.engine": "EngineError",
    "server": "ServeError",
    "stream.config": "ConfigError",
    "stream.sources.base": "SourceError",
    "stream.analysis": "AnalysisError",
    "stream.asr_model": "AsrModelError",
    "trainer.data.errors": "DatasetError",
}

ROOT: Final = Path(__file__).resolve().parent
STARTER_SHOWN: Final = "models/bundles/starter of this checkout"
STARTER: Final = ROOT / "models" / "bundles" / "starter"
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


app = group("**M2FNet Live**: the emotion of every utterance of a conversation, live, from words, voice and face.")
train = group("Train the starter bundle, all of it or one stage.")
evaluate = group("Print the figures of a trained bundle.")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")

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


def show_address(address: str, *, open_browser: bool) -> None:
    """Print the address of the page, and open it where there is a desktop."""
    err.print(f"\n  Open [bold cyan]{address}[/] in a browser. Ctrl-C stops.\n", soft_wrap=True)
    if open_browser and has_desktop():
        webbrowser.open(address)


def has_desktop() -> bool:
    """Return whether a browser window could be seen here."""
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@app.command()
def serve(
    camera: Annotated[
        str | None, typer.Option(metavar="INDEX|PATH", help="A camera of this machine, such as 0.")
    ] = None,
    microphone: Annotated[
        str | None,
        typer.Option(metavar="NAME|INDEX", help="A microphone of this machine; 'default' for the usual one."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|URL", help="A media file, or an rtsp://, http:// address; may be given several times."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8765 unless set, 0 takes any free one.")] = None,
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="Stop when all sources have ended.")] = False,
    wait_for_watcher: Annotated[
        bool, typer.Option("--wait-for-watcher", help="Start the sources when somebody first opens the page.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser, where there is one.")
    ] = False,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Analyze cameras, microphones, files and streams live, and serve the page that shows it.

    Without any source it waits for browsers and other clients to bring their media (docs/protocol.md).

    Examples:

        m2fnet serve --camera 0 --microphone default

        m2fnet serve --source talk.mp4 --source rtsp://camera.local/stream

        m2fnet serve --port 9000 --set vision.max_fps=3
    """
    with told(verbose=verbose):
        chosen = [("host", host), ("port", port)]
        given = [f"server.{key}={value}" for key, value in chosen if value is not None]
        settings = load_settings(config, [*(set_ or []), *given])
        from server import run  # noqa: PLC0415 - see the module's docstring

        code = run(
            settings,
            camera=camera,
            microphone=microphone,
            sources=source or [],
            exit_when_done=exit_when_done,
            wait_for_watcher=wait_for_watcher,
            on_ready=lambda address: show_address(address, open_browser=open_browser),
        )
        raise typer.Exit(code)


@app.command()
def analyze(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Media files of any kind.", show_default=False)],
    format_: Annotated[Format, typer.Option("--format", "-f", help="Form of the results.")] = "text",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File to write; standard output if not given.")
    ] = None,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Analyze media files as fast as this machine can: the pipeline is the live one.

    A file that can't be read gets its line on standard error, the others are still done; the exit code is then 1.

    Examples:

        m2fnet analyze talk.mp4

        m2fnet analyze *.mp4 --format json -o results.json

        m2fnet analyze talk.wav --format vtt -o talk.vtt --set transcriber.model=small.en
    """
    with told(verbose=verbose):
        settings = load_settings(config, set_ or [])
        from stream.analysis import analyze_command  # noqa: PLC0415 - see the module's docstring

        raise typer.Exit(analyze_command(files, format_, output, settings, progress=err.is_terminal))


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Say what this machine has for it, and what to do about what is missing.

    The exit code is 0 if files and streams can be analyzed; cameras, microphones and GPUs are not needed for that.

    Examples:

        m2fnet check

        m2fnet check --json --set runtime.bundle=my-bundle
    """
    with told(verbose=verbose):
        settings = load_settings(config, set_ or [])
        from stream.diagnostics import can_run, diagnose  # noqa: PLC0415 - see the module's docstring

        with err.status("looking around"):
            findings = diagnose(settings)
        ready = can_run(findings)
        if as_json:
            report = {"ready": ready, "findings": [{name: getattr(f, name) for name in FINDING} for f in findings]}
            typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            rows = [(f.subject, f.state, f.needed, f.detail, f.advice) for f in findings]
            Console().print(findings_table(rows))
            typer.echo("ready" if ready else "not ready: see the lines marked missing! or broken!")
        raise typer.Exit(0 if ready else 1)


Runs = Annotated[Path, typer.Option("--runs", file_okay=False, help="Folder of checkpoints, logs and caches.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


@train.command("starter")
def train_starter(
    data: Data,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder the bundle is written to.", show_default=STARTER_SHOWN)
    ] = STARTER,
    runs: Runs = STARTER_RUNS,
    seed: Seed = 0,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Train the four stages, write the bundle, and print what it reaches on the dev splits.

    What was interrupted goes on from its last checkpoint in --runs. The words of the speech corpora are those the
    speech recogniser of the settings hears.

    Examples:

        m2fnet train starter --data DATA

        m2fnet train starter --data DATA --out my-bundle --runs runs/second --seed 1
    """
    with told(verbose=verbose):
        settings = load_settings(config, set_ or [])
        from trainer import starter  # noqa: PLC0415 - see the module's docstring

        report = starter.train_starter(data, runs, out, transcriber(settings), seed)
        show_report(report, as_json=False)
        err.print(f"wrote {out}", highlight=False)


def train_stage(name: "StageName", data: Path, runs: Path, seed: int, *, verbose: bool) -> None:
    """Train one stage of the starter bundle and print what it reaches."""
    with told(verbose=verbose):
        from trainer import starter  # noqa: PLC0415 - see the module's docstring

        for metric, value in starter.train_stage(name, data, runs, seed).items():
            typer.echo(f"{metric}  {value:.4f}")


@train.command("text")
def train_text(data: Data, runs: Runs = STARTER_RUNS, seed: Seed = 0, verbose: Verbose = False) -> None:
    """Train the text stage: MiniLM on MELD's transcripts.

    Example:

        m2fnet train text --data DATA
    """
    train_stage("text", data, runs, seed, verbose=verbose)


@train.command("visual")
def train_visual(data: Data, runs: Runs = STARTER_RUNS, seed: Seed = 0, verbose: Verbose = False) -> None:
    """Train the visual stage: expressions on FER2013.

    Example:

        m2fnet train visual --data DATA
    """
    train_stage("visual", data, runs, seed, verbose=verbose)


@train.command("audio")
def train_audio(data: Data, runs: Runs = STARTER_RUNS, seed: Seed = 0, verbose: Verbose = False) -> None:
    """Train the audio stage: voices of the speech corpora.

    Example:

        m2fnet train audio --data DATA
    """
    train_stage("audio", data, runs, seed, verbose=verbose)


@train.command("fusion")
def train_fusion(data: Data, runs: Runs = STARTER_RUNS, seed: Seed = 0, verbose: Verbose = False) -> None:
    """Train the fusion on MELD's dialogs; the stages it needs are trained first where they are not yet.

    Example:

        m2fnet train fusion --data DATA
    """
    train_stage("fusion", data, runs, seed, verbose=verbose)


@evaluate.command("starter")
def evaluate_starter(
    data: Data,
    bundle: Annotated[
        Path, typer.Option(file_okay=False, help="Folder of the bundle.", show_default=STARTER_SHOWN)
    ] = STARTER,
    runs: Runs = STARTER_RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Print what a bundle reaches on the dev splits, and whether it does what it must; the exit code is 1 if not.

    Examples:

        m2fnet evaluate starter --data DATA

        m2fnet evaluate starter --data DATA --bundle my-bundle --json
    """
    with told(verbose=verbose):
        settings = load_settings(config, set_ or [])
        from models.bundle import load_bundle  # noqa: PLC0415 - see the module's docstring
        from trainer.starter_data import StarterData  # noqa: PLC0415 - see the module's docstring
        from trainer.starter_report import evaluate_bundle  # noqa: PLC0415 - see the module's docstring

        report = evaluate_bundle(load_bundle(bundle), StarterData(data, runs / "cache"), transcriber(settings))
        show_report(report, as_json=as_json)
        raise typer.Exit(0 if all(demand.met for demand in report.checks()) else 1)


def transcriber(settings: Settings) -> "Transcribe":
    """Return the speech recogniser of the settings as the trainer takes it: sound to words."""
    from stream.whisper import Whisper  # noqa: PLC0415 - see the module's docstring

    whisper = Whisper(settings.transcriber)
    return lambda samples: whisper.transcribe(samples, 0.0).text


def show_report(report: "StarterReport", *, as_json: bool) -> None:
    """Print a bundle's figures and what it must do."""
    if as_json:
        typer.echo(json.dumps(report.model_dump() | {"checks": [c.model_dump() for c in report.checks()]}, indent=2))
        return
    for name, value in leaves(report.model_dump()):
        typer.echo(f"{name:<48} {value:.4f}" if isinstance(value, float) else f"{name:<48} {value}")
    for demand in report.checks():
        verdict = "holds" if demand.met else "FAILS"
        typer.echo(f"{verdict}  {demand.demand}: {demand.value:.4f}, bound {demand.bound:.4f}")


def leaves(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield nested values with their keys joined by dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


FINDING: Final = ("subject", "state", "detail", "advice", "needed")
STYLES: Final = {"ok": "green", "missing": "yellow", "broken": "red"}


def findings_table(rows: Sequence[tuple[str, str, bool, str, str]]) -> Table:
    """Return the findings as a table; what is needed and not there has an exclamation mark."""
    table = Table("", "state", box=None, pad_edge=False)
    for heading in ("what is there", "what to do"):
        table.add_column(heading, overflow="fold")
    for subject, state, needed, detail, advice in rows:
        mark = "!" if needed and state != "ok" else ""
        style = STYLES["broken" if mark else state]
        table.add_row(subject, Text(state + mark, style), Text(detail), Text(advice))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, those of the process if none; ends the process."""
    app(args=arguments, prog_name="m2fnet")


if __name__ == "__main__":
    main()
