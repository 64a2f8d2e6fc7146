"""``m2fnet evaluate``: what a bundle reaches."""

import json
from collections.abc import Iterator, Mapping
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
    Set,
    Verbose,
    group,
    told,
    transcriber,
)
from stream.config import load_settings

if TYPE_CHECKING:
    from trainer.starter_report import StarterReport

evaluate = group("Print the figures of a trained bundle.")


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
