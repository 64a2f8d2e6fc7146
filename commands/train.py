"""``m2fnet train``: the stages, one by one or all of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import (
    STARTER,
    STARTER_RUNS,
    STARTER_SHOWN,
    Config,
    Data,
    Runs,
    Seed,
    Set,
    Verbose,
    err,
    group,
    told,
    transcriber,
)
from commands.evaluate import show_report
from stream.config import load_settings

if TYPE_CHECKING:
    from trainer.starter import StageName

train = group("Train the starter bundle, all of it or one stage.")


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
