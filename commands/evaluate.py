"""``m2fnet evaluate``: what a bundle reaches."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from commands.common import (
    STARTER_RUNS,
    BundleName,
    Config,
    Data,
    Runs,
    Set,
    Verbose,
    err,
    group,
    read_settings,
    told,
    transcriber,
)
from commands.evaluate_tables import evaluate_tables
from commands.measured import FigureBlock, Write
from commands.outputs import (
    CSV_ENCODING,
    STDOUT,
    CsvOut,
    JsonOut,
    MarkdownOut,
    Root,
    corpus_folder,
    require_reports,
    write_text,
)
from trainer.data.names import Dataset
from trainer.evaluation.text_tables import markdown_table

if TYPE_CHECKING:
    from trainer.evaluation.report import Report
    from trainer.starter.report import StarterReport

CACHE: Final = Path("runs/features")
STARTER: Final = "starter"

HELP: Final = """Print what a trained bundle reaches on a corpus.

Conversations (meld, iemocap, csv) are scored as the fusion judges each utterance at the moment, when it is the last
one heard; further rows say what comes of it later, and what the text branch reaches alone. Voices (ravdess to
audiofolder) score the audio branch, faces (fer2013, imagefolder) the visual one.

Examples:

m2fnet evaluate --dataset meld --root MELD --split test --json scores.json

m2fnet evaluate --bundle my-bundle --dataset ravdess --root RAVDESS --split dev

m2fnet evaluate --bundle seed-0 --bundle seed-1 --dataset meld --root MELD --split dev --grid --figures images
"""

Bundles = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle",
        metavar="FOLDER|NAME",
        help="A bundle's folder, the starter if not given; several are seeds of the same model, and scores are then "
        "means with their deviations.",
    ),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Of text, audio, visual (or face, scene), with commas between; all there are if unset."
    ),
]

evaluate = group(HELP)


@evaluate.callback(invoke_without_command=True)
def evaluate_bundles(
    ctx: typer.Context,
    bundle: Bundles = None,
    dataset: Annotated[Dataset | None, typer.Option(help="The corpus.", show_choices=True)] = None,
    root: Root = None,
    split: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="train, dev or test; or a file or folder of held-out data to read."),
    ] = "test",
    modalities: Modalities = None,
    grid: Annotated[bool, typer.Option("--grid", help="Also a row for every subset of text, audio, visual.")] = False,
    asr: Annotated[
        bool, typer.Option("--asr", help="Also rows on the words the speech recogniser of the settings hears.")
    ] = False,
    as_json: JsonOut = None,
    markdown: MarkdownOut = None,
    csv: CsvOut = None,
    figures: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write images of confusion, reliability and F1 there.")
    ] = None,
    write: Write = None,
    cache: Annotated[Path, typer.Option(file_okay=False, help="Folder in which features are kept.")] = CACHE,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Score bundles on a corpus; see the group's help."""
    if ctx.invoked_subcommand is not None:
        _refuse_options_before(ctx, ctx.invoked_subcommand)
        return
    if dataset is None:
        message = "missing --dataset, or one of the commands starter and tables"
        raise typer.BadParameter(message, ctx)
    with told(verbose=verbose):
        settings = read_settings(config, set_ or [])
        corpus, names = corpus_folder(root, dataset), bundle or [STARTER]
        read = [corpus, Path(split), config]
        require_reports([as_json, markdown, csv], folders=[figures, cache], inputs=read, bundles=names)
        block = None if write is None else FigureBlock.of("m2fnet evaluate", write)
        from models.bundle_config import find_bundle  # noqa: PLC0415 - see the module's docstring
        from trainer.evaluation.evaluate import EvaluationRequest, Recogniser, evaluate  # noqa: PLC0415 - see the module's docstring
        from trainer.evaluation.modalities import parse_modalities  # noqa: PLC0415 - see the module's docstring

        request = EvaluationRequest(
            bundles=tuple(map(find_bundle, names)),
            dataset=dataset,
            root=corpus,
            split=split,
            cache=cache,
            modalities=None if modalities is None else parse_modalities([modalities]),
            grid=grid,
            recogniser=Recogniser(settings.transcriber.model_dump_json(), transcriber(settings)) if asr else None,
        )
        report = evaluate(request)
        write_report(report, as_json=as_json, markdown=markdown, csv=csv, figures=figures)
        if block is not None:
            block.write_figures([summary(report)], data=f"{dataset} {Path(split).name}")


def _refuse_options_before(ctx: typer.Context, command: str) -> None:
    sources = map(ctx.get_parameter_source, ctx.params)
    if any(source is not None and source.name == "COMMANDLINE" for source in sources):
        message = f"options of {command} come after it: m2fnet evaluate {command} --…"
        raise typer.BadParameter(message, ctx)


def write_report(
    report: "Report",
    *,
    as_json: Path | None = None,
    markdown: Path | None = None,
    csv: Path | None = None,
    figures: Path | None = None,
) -> None:
    """Print a report's table, and write the other forms that are asked for.

    Where one of them is printed on standard output, the table goes to standard error.
    """
    from trainer.evaluation import render  # noqa: PLC0415 - see the module's docstring

    console = err if STDOUT in {as_json, markdown, csv} else Console()
    console.print(render.terminal(report), highlight=False)
    write_text(as_json, report_json(report))
    write_text(markdown, render.markdown(report))
    write_text(csv, render.as_csv(report), CSV_ENCODING)
    if figures is not None:
        from trainer.evaluation.figures import save_figures  # noqa: PLC0415 - see the module's docstring

        save_figures(report, figures)


def summary(report: "Report") -> str:
    """Return the table of all rows in Markdown."""
    from trainer.evaluation import render  # noqa: PLC0415 - see the module's docstring

    return markdown_table(*render.summary_rows(report))


def report_json(report: "Report") -> str:
    """Return a report as JSON."""
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"


evaluate.command("tables")(evaluate_tables)


@evaluate.command("starter")
def evaluate_starter(
    data: Data,
    bundle: BundleName = STARTER,
    runs: Runs = STARTER_RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    write: Write = None,
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
        settings = read_settings(config, set_ or [])
        block = None if write is None else FigureBlock.of("m2fnet evaluate starter", write)
        from models.bundle import load_bundle  # noqa: PLC0415 - see the module's docstring
        from models.bundle_config import find_bundle  # noqa: PLC0415 - see the module's docstring
        from trainer.config import starter_config  # noqa: PLC0415 - see the module's docstring
        from trainer.corpora import Corpora  # noqa: PLC0415 - see the module's docstring
        from trainer.starter.report import evaluate_bundle  # noqa: PLC0415 - see the module's docstring

        loaded = load_bundle(find_bundle(bundle))
        report = evaluate_bundle(loaded, Corpora(starter_config(data), runs / "cache"), transcriber(settings))
        show_report(report, as_json=as_json)
        if block is not None:
            block.write_figures(
                [summary(report), "\n".join(f"- {line}" for line in check_lines(report))], data="dev splits"
            )
        raise typer.Exit(0 if all(demand.met for demand in report.checks()) else 1)


def show_report(report: "StarterReport", *, as_json: bool = False) -> None:
    """Print a bundle's figures and what it must do."""
    write_report(report, as_json=Path(STDOUT) if as_json else None)
    for line in check_lines(report):
        typer.echo(line, err=as_json)


def check_lines(report: "StarterReport") -> list[str]:
    """Return a line for each demand that says whether it is met."""
    return [
        f"{'holds' if demand.met else 'FAILS'}  {demand.demand}: {demand.value:.4f}, bound {demand.bound:.4f}"
        for demand in report.checks()
    ]
